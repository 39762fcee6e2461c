"""Arbitrary bytes and frames to a hub: no crash, no hang, nothing left, no other one disturbed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.files import FileRequest, entries_of, events_of, received_of
from orkee_jupyter.sandbox.model import ExecRequest, LogQuery, TerminalRequest
from orkee_jupyter.sandboxd import frames
from orkee_jupyter.sandboxd.connection import Connection
from orkee_jupyter.sandboxd.connections import Timing
from orkee_jupyter.sandboxd.daemon import Daemon
from orkee_jupyter.sandboxd.hub import Hub

from .conftest import loopback_listener
from .made_up import DATA, FRAMES, FUZZ, LINES, LOG, OPENED, PROCESS, VALUES, frame, near
from .peer import Peer, ScriptedDaemon

#: Seconds in which everything that was begun must have come to an end.
ANSWER = 10.0
#: A silent peer is not what is tried here, so no wait is long.
TIMING = Timing(hello=2, heartbeat=60, redial=0.1, gone=0.01, take=2, request=2, last_log=0.01)
LINKS = pytest.mark.parametrize("link", ["forwarded", "direct"])
TOKEN = b"0" * 64  # stands for the token in what is made up


class Faults(logging.Handler):
    """Whatever a server would have written into its log as a defect of its own."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self.format(record))


class Field:
    """A hub that stays, with a sandbox that must not notice what happens to the others."""

    def __init__(self, folder: Path, link: str, faults: Faults) -> None:
        self.hub = Hub(
            folder / "run", folder / "log", loopback_listener, link, 1 << 20, timing=TIMING
        )
        self.faults = faults
        self.neighbour_id = secrets.token_hex(16)

    async def open(self) -> None:
        self.peer = await ScriptedDaemon.connect(await self.hub.open(self.neighbour_id))
        self.neighbour = await self.hub.connected(self.neighbour_id, ANSWER)

    async def close(self) -> None:
        await self.peer.close()
        await self.hub.shutdown()

    async def try_out(self, attack: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        """Have a sandbox of its own attacked; look at the hub and the neighbour afterwards."""
        victim = secrets.token_hex(16)
        before = asyncio.all_tasks()
        async with asyncio.timeout(ANSWER):
            await attack(victim)
            await self.hub.forget(victim)
            asking = asyncio.create_task(self.neighbour.processes())
            await self.peer.answer(result={"processes": [PROCESS]})
            assert [each.pid for each in await asking] == [PROCESS["pid"]]
            while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
                await asyncio.wait(left)
        assert self.faults.found == []
        assert list(self.hub._places) == [self.neighbour_id]
        assert len(self.hub._tokens) == len(self.hub._spools) == 1


@contextlib.contextmanager
def field(folder: Path, link: str) -> Iterator[tuple[asyncio.Runner, Field]]:
    """Give a field and what runs in its loop; nothing of the attacks is there afterwards."""
    faults = Faults()
    logging.getLogger().addHandler(faults)
    try:
        with asyncio.Runner() as runner:
            runner.get_loop().set_exception_handler(
                lambda _, context: faults.found.append(repr(context))
            )
            made = Field(folder, link, faults)
            runner.run(made.open())
            before = _alive()
            try:
                yield runner, made
                assert _alive() <= before, "connections or daemons of ended sandboxes are held"
            finally:
                runner.run(made.close())
            assert faults.found == []
    finally:
        logging.getLogger().removeHandler(faults)


def _alive() -> int:
    gc.collect()
    return sum(isinstance(each, Connection | Daemon) for each in gc.get_objects())


async def allowed(work: Awaitable[object]) -> None:
    """Wait for a call's end; an error that a user would be told is as good as an answer."""
    with contextlib.suppress(OrkeeError):
        await work


async def push(peer: Peer, pieces: list[bytes], *, end: bool = True) -> None:
    """Send as far as the server listens, then close the sending half."""
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            peer.raw(piece)
            await peer.drain()
        if end:
            peer._writer.write_eof()


_HELLO = {"protocol": 1, "kind": "control", "token": TOKEN.decode(), "version": "1", "os": "linux"}
_GREETINGS = st.lists(
    st.one_of(
        st.binary(max_size=40),
        near(_HELLO, {**_HELLO, "kind": "stream"}).map(lambda body: frame(frames.HELLO, body)),
        VALUES.map(lambda body: frame(frames.HELLO, body)),
        FRAMES,
    ),
    max_size=4,
)


@LINKS
@pytest.mark.timeout(0)
def test_a_handshake_of_any_bytes(link: str, tmp_path: Path) -> None:
    with field(tmp_path, link) as (runner, place):

        @FUZZ
        @given(_GREETINGS, st.integers(1, 50))
        def made_up(pieces: list[bytes], cut: int) -> None:
            async def attack(victim: str) -> None:
                endpoint = await place.hub.open(victim)
                data = b"".join(pieces).replace(TOKEN, endpoint.token.encode())
                peer = await Peer.dial(endpoint)
                await push(peer, [data[:cut], data[cut:]])
                await peer.expect_end()
                await peer.close()

            runner.run(place.try_out(attack))

        made_up()


@LINKS
@pytest.mark.timeout(0)
def test_a_control_connection_of_any_frames(link: str, tmp_path: Path) -> None:
    with field(tmp_path, link) as (runner, place):

        @FUZZ
        @given(st.lists(FRAMES, max_size=8))
        def made_up(pieces: list[bytes]) -> None:
            async def attack(victim: str) -> None:
                peer = await ScriptedDaemon.connect(await place.hub.open(victim))
                daemon = await place.hub.connected(victim, ANSWER)
                asked = [
                    asyncio.create_task(allowed(call))
                    for call in (daemon.processes(), daemon.stats(), daemon.kill(9, "TERM"))
                ]
                await asyncio.sleep(0)  # so that they are asked before they are answered
                await push(peer.control, pieces)
                await peer.close()
                await asyncio.gather(*asked)
                await daemon.lost()

            runner.run(place.try_out(attack))

        made_up()


async def _whole(stream: Any) -> None:
    try:
        while await stream.read():
            pass
    finally:
        await stream.close()


async def _output(stream: Any) -> None:
    try:
        async for _ in stream:
            pass
        await stream.exit()
    finally:
        await stream.close()


async def _exec(daemon: Daemon) -> None:
    await _output(await daemon.exec(ExecRequest(("x",))))


async def _stdin(daemon: Daemon) -> None:
    stream = await daemon.exec(ExecRequest(("x",), stdin=True))
    await asyncio.gather(allowed(stream.write(b"y" * 200)), allowed(_output(stream)))


async def _lines(daemon: Daemon, op: str) -> None:
    stream = await daemon.files(FileRequest(op, "x"))
    read = {"list": entries_of, "watch": events_of}[op]
    try:
        async for each in read(stream):
            json.dumps(each if isinstance(each, dict) else each.path, ensure_ascii=False).encode()
    finally:
        await stream.close()


async def _write(daemon: Daemon) -> None:
    stream = await daemon.files(FileRequest("write", "x"))
    try:
        await stream.write(b"y" * 200)
        await stream.end_write()
        await received_of(stream)
    finally:
        await stream.close()


async def _read(daemon: Daemon) -> None:
    await _whole(await daemon.files(FileRequest("read", "x")))


async def _port(daemon: Daemon) -> None:
    await _whole(await daemon.dial(80))


async def _terminal(daemon: Daemon) -> None:
    await _output(await daemon.terminal(TerminalRequest()))


async def _attach(daemon: Daemon) -> None:
    await _output(await daemon.attach(9))


async def _raw(daemon: Daemon) -> None:
    taken, _ = (await daemon.dial_raw(80)).detach()
    taken.close()


USES: dict[str, Callable[[Daemon], Coroutine[Any, Any, None]]] = {
    "exec": _exec,
    "exec with stdin": _stdin,
    "attach": _attach,
    "terminal": _terminal,
    "port": _port,
    "raw port": _raw,
    "read": _read,
    "write": _write,
    "list": lambda daemon: _lines(daemon, "list"),
    "watch": lambda daemon: _lines(daemon, "watch"),
}
_ANSWERS = st.one_of(
    st.just(frame(frames.OPENED, OPENED)),
    st.just(frame(frames.OPENED, {**OPENED, "raw": True})),
    near(OPENED).map(lambda body: frame(frames.OPENED, body)),
    st.just(b""),
)


@pytest.mark.parametrize("use", USES)
@pytest.mark.timeout(0)
def test_a_stream_of_any_frames(use: str, tmp_path: Path) -> None:
    link = "direct" if use in ("raw port", "exec", "read") else "forwarded"
    with field(tmp_path, link) as (runner, place):

        @FUZZ
        @given(_ANSWERS, st.lists(st.one_of(FRAMES, DATA, LINES), max_size=8))
        def made_up(answer: bytes, pieces: list[bytes]) -> None:
            async def attack(victim: str) -> None:
                peer = await ScriptedDaemon.connect(await place.hub.open(victim))
                daemon = await place.hub.connected(victim, ANSWER)
                stream = await peer.stream()
                using = asyncio.create_task(allowed(USES[use](daemon)))
                await stream.expect_json(frames.OPEN)
                await push(stream, [answer, *pieces])
                await using
                await peer.close()

            runner.run(place.try_out(attack))

        made_up()


_DROPPED = near({"first": 1, "last": 4, "bytes": 9}).map(lambda body: frame(frames.DROPPED, body))


@LINKS
@pytest.mark.timeout(0)
def test_a_log_of_any_frames(link: str, tmp_path: Path) -> None:
    with field(tmp_path, link) as (runner, place):

        @FUZZ
        @given(st.lists(st.one_of(LOG, LOG, _DROPPED, FRAMES), max_size=8))
        def made_up(pieces: list[bytes]) -> None:
            async def attack(victim: str) -> None:
                peer = await ScriptedDaemon.connect(await place.hub.open(victim))
                await place.hub.connected(victim, ANSWER)
                await push(peer.log, pieces)
                await peer.log.expect_end()
                await peer.close()
                sent = sum(map(len, pieces))
                for query in (LogQuery(), LogQuery(tail=1), LogQuery(after=2)):
                    entries = [each async for each in place.hub.logs(victim, query)]
                    assert sum(len(each.data) for each in entries) <= sent

            runner.run(place.try_out(attack))

        made_up()
