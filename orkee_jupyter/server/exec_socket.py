"""``/sandbox/REF/exec`` as a websocket: a command with stdin and signals, or a terminal.

JSON in text messages, bytes in binary ones, whose first byte is the channel: 0 stdin,
1 stdout, 2 stderr. The client begins with ``start``; the server ends with ``exit`` or with
a problem object, and closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any, Final

from tornado import web, websocket

from ..problems import to_problem
from ..sandbox.errors import OrkeeError
from ..sandbox.ports import ExecStream, TerminalStream
from ..sandbox.requests import decode_start
from ..sandbox.terminals import check_size, decode_terminal
from .api_handlers import RESOURCE
from .base import authorized, defect
from .stream_handlers import ExecHandler, exit_json

#: Bytes of stdin that a client may send ahead of what the command's end has taken. One that
#: sends more is no longer read, so that its signals wait too.
WINDOW: Final = 1024 * 1024
#: Bytes of one message from a client.
MESSAGE_LIMIT: Final = 1024 * 1024
#: Seconds from the opening to the ``start``.
START_TIMEOUT: Final = 10.0
#: Seconds between pings, which keep what is in between from closing an idle connection.
PING: Final = 20.0
CHANNELS: Final = {"stdout": b"\x01", "stderr": b"\x02"}
STDIN: Final = 0


class StdinQueue:
    """What a client sent for stdin and the command has not taken yet."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._ended = False
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def put(self, data: bytes) -> None:
        """Take a piece; wait while more than the window is there."""
        if self._ended:
            raise _invalid("There is more stdin after its end.", "Send nothing behind `end`.")
        self._pieces.append(data)
        self._size += len(data)
        self._changed.set()
        if self._size > WINDOW:
            self._room.clear()
            await self._room.wait()

    def end(self) -> None:
        """Note that no more comes."""
        self._ended = True
        self._changed.set()

    async def get(self) -> bytes | None:
        """Return all that there is, None at the end."""
        while not self._pieces:
            if self._ended:
                return None
            self._changed.clear()
            await self._changed.wait()
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        self._room.set()
        return data


class ExecSocketHandler(websocket.WebSocketHandler, ExecHandler):
    """``/sandbox/REF/exec``: a websocket by GET, a stream of lines by POST."""

    def initialize(self) -> None:
        super().initialize()
        self._sandbox_id = ""
        self._start: asyncio.Future[dict[str, Any]] | None = None
        self._stdin = StdinQueue()
        self._stream: ExecStream | None = None
        self._terminal: TerminalStream | None = None  # the same one, where it is a terminal
        self._serving: asyncio.Task[None] | None = None

    @web.authenticated
    @authorized("execute", resource=RESOURCE)
    async def get(self, ref: str) -> None:  # type: ignore[override]  # as it is decorated
        manager = await self.manager()
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            raise _invalid(
                "This is no websocket handshake.", "Open a websocket, or send a POST request."
            )
        # Answered over HTTP where there is no such sandbox.
        self._sandbox_id = (await manager.get(ref, self.owner)).id
        await super().get(ref)

    # -- what the mixture of a websocket and a REST handler needs -------------

    def check_origin(self, origin: str = "") -> bool:
        """Return whether the page that asks may: REST's own rule, which has been held once."""
        return ExecHandler.check_origin(self, origin)

    def on_connection_close(self) -> None:
        """The client went away."""
        if self._start is None:
            ExecHandler.on_connection_close(self)
        else:
            websocket.WebSocketHandler.on_connection_close(self)

    @property
    def max_message_size(self) -> int:
        return MESSAGE_LIMIT

    @property
    def ping_interval(self) -> float | None:
        return PING

    @property
    def ping_timeout(self) -> float | None:
        """A reader that is slow answers late: it is not closed for that."""
        return 0

    # -- the websocket's life ----------------------------------------------

    def open(self, *_: Any) -> None:
        self._start = asyncio.get_running_loop().create_future()
        self._serving = asyncio.create_task(self._serve())

    async def on_message(self, message: str | bytes) -> None:
        """Take what the client says. What cannot be understood ends the command."""
        try:
            if isinstance(message, bytes):
                if message[:1] != bytes([STDIN]):
                    raise _invalid("The channel is not 0.", "Begin bytes for stdin with a 0.")
                await self._stdin.put(message[1:])
            else:
                await self._take(_object(message))
        except OrkeeError as error:
            if self._serving is not None:
                self._serving.cancel()
            await self._end(to_problem(error))

    async def _take(self, body: dict[str, Any]) -> None:
        assert self._start is not None
        kind = body.pop("type", None)
        if not self._start.done():
            if kind != "start":
                raise _invalid("The first message is no `start`.", "Send `start` first.")
            self._start.set_result(body)
        elif kind == "end":
            self._stdin.end()
        elif kind == "signal":
            # One that comes before the command runs has nothing to go to.
            if self._stream is not None:
                await self._stream.signal(str(body.get("signal")))
        elif kind == "resize":
            rows, columns = (check_size(body.get(key), key) for key in ("rows", "columns"))
            if self._terminal is not None:
                await self._terminal.resize(rows, columns)
        else:
            raise _invalid("The message's type is unknown.", "Send end, signal or resize.")

    def on_close(self) -> None:
        """End the command with the connection."""
        if self._serving is not None:
            self._serving.cancel()
            self._count_end()

    async def _serve(self) -> None:
        last: dict[str, Any]
        try:
            last = await self._run()
        except websocket.WebSocketClosedError:
            return
        except OrkeeError as error:
            last = to_problem(error)
        except Exception as error:
            self.log.exception("orkee: an exec failed")
            last = to_problem(defect(error))
        await self._end(last)

    async def _run(self) -> dict[str, Any]:
        """Run the command; return the last message."""
        assert self._start is not None
        try:
            body = await asyncio.wait_for(self._start, START_TIMEOUT)
        except TimeoutError:
            raise _invalid("No `start` came.", "Send it when the connection is open.") from None
        stream, wanted, facts = await self._begin(body)
        self._stream = stream
        feeder = asyncio.create_task(self._feed(stream, wanted))
        try:
            await self._tell({"type": "started", "pid": stream.pid, "window": WINDOW, **facts})
            async for output in stream:
                await self.write_message(CHANNELS[output.stream] + output.data, binary=True)
            return {"type": "exit", **exit_json(await stream.exit())}
        finally:
            feeder.cancel()
            await asyncio.wait({feeder})
            await stream.close()

    async def _begin(self, body: dict[str, Any]) -> tuple[ExecStream, bool, dict[str, Any]]:
        """Return the command or terminal, whether it has a stdin, and what to tell of it."""
        manager = await self.manager()
        if body.get("tty") is False:
            del body["tty"]
        if "tty" not in body:
            request = decode_start(body)
            stream = await manager.exec(self._sandbox_id, request, self.owner)
            return stream, request.stdin, {}
        terminal = await manager.terminal(self._sandbox_id, decode_terminal(body), self.owner)
        self._terminal = terminal
        return terminal, True, terminal_json(terminal)

    async def _feed(self, stream: ExecStream, wanted: bool) -> None:
        """Write stdin as it comes, and say how much was taken."""
        with contextlib.suppress(OrkeeError, websocket.WebSocketClosedError):
            while (data := await self._stdin.get()) is not None:
                if wanted:
                    await stream.write(data)
                await self._tell({"type": "taken", "bytes": len(data)})
            await stream.end_stdin()

    async def _tell(self, message: dict[str, Any]) -> None:
        await self.write_message(json.dumps(message))

    async def _end(self, last: dict[str, Any]) -> None:
        """Send the last message and close."""
        with contextlib.suppress(websocket.WebSocketClosedError):
            await self._tell(last)
        self.close(1000)


def terminal_json(terminal: TerminalStream) -> dict[str, Any]:
    """Return what a client has to know of a terminal, to show it and to come back to it."""
    return {
        "name": terminal.name,
        "reattached": terminal.reattached,
        "position": terminal.position,
        "replay": terminal.replay,
    }


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _invalid("A text message is not a JSON object.", "Send bytes in binary messages.")
    return value


def _invalid(cause: str, remedy: str) -> OrkeeError:
    return OrkeeError("invalid_request", cause, remedy)
