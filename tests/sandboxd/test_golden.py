"""The golden frames and dialogues that the Go and the Python tests both read."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.files import FileRequest
from orkee_jupyter.sandbox.model import ExecRequest, TerminalRequest
from orkee_jupyter.sandboxd import frames
from orkee_jupyter.sandboxd.connection import Connection
from orkee_jupyter.sandboxd.control import Control
from orkee_jupyter.sandboxd.execute import ExecStream, PortStream, RawPort
from orkee_jupyter.sandboxd.files import FileStream
from orkee_jupyter.sandboxd.processes import AttachStream
from orkee_jupyter.sandboxd.pump import LogStream
from orkee_jupyter.sandboxd.stream import Stream
from orkee_jupyter.sandboxd.terminal import TerminalStream

FOLDER = Path(__file__).parents[1] / "protocol"
FRAMES: list[dict[str, Any]] = json.loads((FOLDER / "frames.json").read_text())
SESSIONS: list[dict[str, Any]] = json.loads((FOLDER / "sessions.json").read_text())
KINDS = {name: getattr(frames, name) for name in vars(frames) if name.isupper()}


def wire(frame: dict[str, Any]) -> bytes:
    """Return a golden frame as bytes."""
    fill = frame.get("fill", {"byte": "", "count": 0})
    return bytes.fromhex(frame["hex"]) + bytes.fromhex(fill["byte"]) * int(fill["count"])


def fields(kind: int, payload: bytes) -> dict[str, Any]:
    """Return a payload's fields as the golden files have them. Raises ProtocolError."""
    if kind == frames.DATA:
        return {"channel": frames.decode_channel(payload), "bytes": payload[1:].hex()}
    if kind == frames.LOG:
        seq, time_us, channel = frames.decode_log(payload)
        data = payload[frames.LOG_HEADER.size :].hex()
        return {"seq": seq, "time": time_us, "channel": channel, "bytes": data}
    if kind == frames.CREDIT:
        return {"bytes": frames.decode_credit(payload)}
    if kind == frames.END:
        return {"channel": frames.decode_channel(payload)}
    if kind in (frames.PING, frames.PONG):
        return {"value": frames.decode_u64(payload)}
    return {"json": frames.decode_json(payload)}


def decode(data: bytes, allowed: frozenset[int]) -> list[tuple[int, dict[str, Any]]]:
    """Return the frames of some bytes. Raises ProtocolError."""
    got: list[tuple[int, dict[str, Any]]] = []
    decoder = frames.Decoder(lambda kind, body: got.append((kind, fields(kind, bytes(body)))))
    decoder.allowed = allowed
    decoder.feed(memoryview(data))
    return got


def named(items: list[dict[str, Any]]) -> list[Any]:
    """Return parameters with their names as ids."""
    return [pytest.param(item, id=item["name"]) for item in items]


@pytest.mark.parametrize("frame", named([f for f in FRAMES if f["valid"]]))
def test_a_valid_frame_is_read(frame: dict[str, Any]) -> None:
    allowed = frozenset(frames.LENGTHS) if frame["direction"] == "s" else frames.FROM_DAEMON
    [(kind, got)] = decode(wire(frame), allowed)
    assert kind == KINDS[frame["type"]]
    if frame.get("fields"):
        assert got == frame["fields"]


@pytest.mark.parametrize(
    "frame", named([f for f in FRAMES if not f["valid"] and f["direction"] != "s"])
)
def test_a_wrong_frame_is_refused(frame: dict[str, Any]) -> None:
    if frame["error"] == "incomplete":
        assert decode(wire(frame), frames.FROM_DAEMON) == []
        return
    with pytest.raises(frames.ProtocolError):
        decode(wire(frame), frames.FROM_DAEMON)


def encode(frame: dict[str, Any]) -> bytes:
    """Return one of our frames as we encode it."""
    kind, body = KINDS[frame["type"]], frame["fields"]
    if kind == frames.DATA:
        return frames.encode_data(body["channel"], bytes.fromhex(body["bytes"]))
    if kind == frames.CREDIT:
        return frames.encode_credit(body["bytes"])
    if kind == frames.END:
        return frames.encode_end(body["channel"])
    if kind == frames.PING:
        return frames.encode_u64(kind, body["value"])
    return frames.encode_json(kind, body["json"])


@pytest.mark.parametrize(
    "frame",
    named([f for f in FRAMES if f["valid"] and f.get("fields") and f["direction"] != "d"]),
)
def test_our_frames_are_the_golden_ones(frame: dict[str, Any]) -> None:
    data = encode(frame)
    if "json" in frame["fields"]:
        [(kind, got)] = decode(data, frozenset(frames.LENGTHS))
        assert (kind, got) == (KINDS[frame["type"]], frame["fields"])
    else:
        assert data == wire(frame)


class Dialogue:
    """Plays one golden dialogue: the daemon's frames as bytes, ours as calls."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.broken: list[str] = []
        self.role: Any = None
        self.tasks: list[asyncio.Task[Any]] = []
        connection.on_broken = lambda _connection, cause: self.broken.append(cause)
        connection.allow()

    def receive(self, data: bytes) -> None:
        """Hand the daemon's bytes over, as the event loop would."""
        buffer = self.connection.get_buffer(0)
        buffer[: len(data)] = data
        self.connection.buffer_updated(len(data))

    def act(self, kind: int, body: dict[str, Any]) -> None:
        """Do what makes the server send that frame."""
        role = self.role
        if kind == frames.WELCOME:
            self.role = Control(self.connection, 5, lambda _body: None, lambda _control: None)
        elif kind == frames.PING:
            role.ping()
        elif kind == frames.REQUEST:
            asked = body["json"]
            self.spawn(role.request(asked["method"], asked["params"]))
        elif kind == frames.OPEN:
            self.open(body["json"])
        elif kind == frames.DATA:
            self.spawn(role.send(frames.STDIN, bytes.fromhex(body["bytes"])))
        elif kind == frames.END:
            sends = isinstance(role, PortStream | FileStream)
            self.spawn(role.end_write() if sends else role.end_stdin())
        elif kind == frames.CREDIT:
            role._allowance += body["bytes"]
        elif kind == frames.SIGNAL:
            self.spawn(role.signal(body["json"]["signal"]))
        elif kind == frames.RESIZE:
            self.spawn(role.resize(**body["json"]))
        elif kind == frames.RESET:
            role.reset(body["json"]["code"])

    def open(self, asked: dict[str, Any]) -> None:
        """Open a stream of the kind and window that the dialogue has."""
        window = asked.pop("credit")
        stream: Stream
        if asked["kind"] == "log":
            stream = LogStream(self.connection, asked["after"], window)
        elif asked["kind"] == "port":
            port = RawPort if asked.get("raw") else PortStream
            stream = port(self.connection, asked["port"], window)
        elif asked["kind"] == "files":
            request = FileRequest(asked["op"], asked["path"], mode=asked.get("mode"))
            stream = FileStream(self.connection, request, window)
        elif asked["kind"] == "terminal":
            wanted = TerminalRequest(name=asked["name"] or None, seen=asked["after"])
            stream = TerminalStream(self.connection, wanted, window)
        elif asked["kind"] == "attach":
            stream = AttachStream(self.connection, None, asked["pid"], window)
        else:
            command = ExecRequest(tuple(asked["command"]), stdin=asked["stdin"])
            kind = AttachStream if asked.get("detach") else ExecStream
            stream = kind(self.connection, command, window=window)
        self.role = stream
        self.spawn(stream.open(asked, 5))

    def spawn(self, work: Any) -> None:
        """Start a call of ours."""
        self.tasks.append(asyncio.ensure_future(work))


@contextlib.asynccontextmanager
async def dialogue() -> Any:
    """Return a dialogue over a real socket whose other end only swallows."""
    ours, theirs = socket.socketpair()
    connection = Connection(memoryview(bytearray(1 << 17)), Nobody())
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: connection, sock=ours)
    talk = Dialogue(connection)
    try:
        yield talk
    finally:
        transport.abort()
        theirs.close()
        for task in talk.tasks:
            task.cancel()
        results = await asyncio.gather(*talk.tasks, return_exceptions=True)
        surprises = [r for r in results if isinstance(r, Exception) and not _expected(r)]
        assert not surprises


def _expected(error: Exception) -> bool:
    return isinstance(error, OrkeeError) or type(error).__name__ in ("Refused", "ControlLost")


class Nobody:
    """The role before the first step."""

    def frame(self, kind: int, payload: memoryview) -> None:
        raise frames.ProtocolError("too early")

    def closed(self, reason: str) -> None:
        """Nothing to do."""


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "session", named([s for s in SESSIONS if len(s["steps"]) > 1 or not s["valid"]])
)
async def test_a_dialogue_goes_as_it_should(session: dict[str, Any]) -> None:
    async with dialogue() as talk:
        for step in session["steps"]:
            assert not talk.broken, "broken before its last step"
            if step["from"] == "s":
                talk.act(KINDS[step["type"]], step["fields"])
            elif step["type"] != "HELLO" or talk.role is not None:
                talk.receive(wire(step))
            for _ in range(3):
                await asyncio.sleep(0)
        if session["valid"]:
            assert not talk.broken
        else:
            assert talk.broken or talk.connection._finishing
