"""A command that runs in a sandbox with everything a program has: stdin, signals, its end."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Self

from orkee_jupyter.problems import from_problem
from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import Exit

from .. import sockets, transport
from ..lines import LineCaller, Source, TextPieces, as_bytes, async_pieces
from ..results import not_understood, to_exit
from ..waiting import async_condition, async_start, async_wait_for
from .connection import AsyncConnection

#: Bytes of one message of stdin.
CHUNK = 64 * 1024
#: Bytes of output kept for a reader that is late; beyond it the command waits.
HELD = 1024 * 1024
_STREAMS = {1: "stdout", 2: "stderr"}


class AsyncProcess:
    """A running command, as ``popen`` gives it: yields ``(stream, data)`` until it has ended.

    ``data`` is bytes, or text where that was asked for. ``exit`` holds the end. To leave the
    context manager, or ``aclose()``, ends a command that still runs. If the sandbox ends
    first, what waits raises OrkeeError ``sandbox_lost`` with the reason at once.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        path: str,
        start: Mapping[str, Any],
        *,
        text: bool = False,
        on_line: Callable[[str, str], object] | None = None,
    ) -> None:
        self.pid = 0  #: of the command in the sandbox
        self.exit: Exit | None = None  #: how it ended, None while it runs
        self._connection = connection
        self._path = path
        self._start = dict(start)
        self._text = TextPieces() if text else None
        self._lines = LineCaller(on_line) if on_line is not None else None
        self._changed = async_condition()
        self._pieces: deque[tuple[str, bytes]] = deque()
        self._held = 0  # bytes in the pieces
        self._window = 0  # bytes of stdin that may be sent
        self._started = False
        self._over = False  # nothing more comes
        self._error: OrkeeError | Exception | None = None
        self._stdin_ended = not self._start.get("stdin", False)

    # -- its start and its end ----------------------------------------------

    async def open(self, stdin: Source | None = None) -> Self:
        """Start the command and return when it runs; ``stdin`` is fed to it beside.

        Raises OrkeeError: ``command_not_found``, ``sandbox_not_active`` and the like.
        """
        self._address = await self._connection.reach()
        with sockets.translated(self._address):
            self._opening = sockets.async_open_socket(self._address, self._path)
            self._socket = await self._opening.__aenter__()
            await self._socket.send(json.dumps({"type": "start", **self._start}))
        await async_start(self._receive)
        try:
            async with self._changed:
                await async_wait_for(self._changed, lambda: self._started or self._over)
            if not self._started:
                raise self._error or self._connection.broken()
        except BaseException:
            await self.aclose()
            raise
        if stdin is not None:
            await async_start(self._feed, stdin)
        return self

    async def aclose(self) -> None:
        """End the command if it still runs. May be called twice."""
        async with self._changed:
            self._over = True
            self._changed.notify_all()
        await self._socket.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def exit_code(self) -> int | None:
        """The command's exit code, None while it runs."""
        return None if self.exit is None else self.exit.exit_code

    # -- output -------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[str, Any]:
        piece = await self.read()
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def read(self, timeout: float | None = None) -> tuple[str, Any] | None:
        """Return the next ``(stream, data)``, None when the command has ended.

        Raises TimeoutError after ``timeout`` seconds, and OrkeeError for what ended it
        too early, such as ``sandbox_lost``.
        """
        while True:
            piece = await self._take_piece(timeout)
            if piece is None:
                left = self._text.finish() if self._text is not None else None
                if self._lines is not None:
                    self._lines.finish()
                return left
            if self._lines is not None:
                self._lines.feed(*piece)
            if self._text is None:
                return piece
            if text := self._text.feed(*piece):  # a character may not be whole yet
                return piece[0], text

    async def _take_piece(self, timeout: float | None) -> tuple[str, bytes] | None:
        async with self._changed:
            if not await async_wait_for(
                self._changed, lambda: bool(self._pieces) or self._over, timeout
            ):
                raise TimeoutError("The command has written nothing for so long.")
            if self._pieces:
                piece = self._pieces.popleft()
                self._held -= len(piece[1])
                self._changed.notify_all()
                return piece
        if self.exit is None:
            raise self._error or OrkeeError("sandbox_lost", "The command was ended here.")
        return None

    async def wait(self, timeout: float | None = None) -> Exit:
        """Read on to the command's end and return it; output goes to ``on_line`` alone.

        Raises TimeoutError if there is nothing new for ``timeout`` seconds.
        """
        while await self.read(timeout) is not None:
            pass
        assert self.exit is not None  # else the read has raised
        return self.exit

    # -- input --------------------------------------------------------------

    async def write(self, data: bytes | str) -> None:
        """Send bytes, or text as UTF-8, to stdin; waits while the command does not read.

        For a command that has ended it does nothing. Raises ``invalid_request`` where stdin
        was not asked for or is closed.
        """
        if self._stdin_ended:
            raise OrkeeError(
                "invalid_request", "The command's stdin is not open.", "Give popen(stdin=True)."
            )
        view = memoryview(as_bytes(data))
        while view:
            async with self._changed:
                await async_wait_for(self._changed, lambda: self._window > 0 or self._over)
                if self._over:
                    return
                size = min(len(view), CHUNK, self._window)
                self._window -= size
            await self._send(b"\0" + view[:size])
            view = view[size:]

    async def end_stdin(self) -> None:
        """Close the command's stdin. May be called twice."""
        if not self._stdin_ended:
            self._stdin_ended = True
            await self._send(json.dumps({"type": "end"}))

    async def signal(self, name: str = "INT") -> None:
        """Send a signal to the command's process group, by name: INT, TERM, KILL …"""
        await self._send(json.dumps({"type": "signal", "signal": name}))

    async def kill(self) -> None:
        """Send SIGKILL to the command's process group."""
        await self.signal("KILL")

    async def _send(self, message: bytes | str) -> None:
        try:
            with sockets.translated(self._address):
                await self._socket.send(message)
        except OrkeeError:
            if not self._over:  # else the command has ended, and nobody wants it
                raise

    async def _feed(self, source: Source) -> None:
        """Write all that a source gives; what it raises, the reader gets."""
        try:
            async for data in async_pieces(source):
                await self.write(data)
                if self._over:
                    return
            await self.end_stdin()
        except Exception as error:
            await self._finish(error)
            await self._socket.close()

    # -- what comes ----------------------------------------------------------

    async def _receive(self) -> None:
        """Take what the server sends to the end. Alone in its task, or thread."""
        error: Exception | None = None
        try:
            with sockets.translated(self._address):
                while not await self._take(await self._socket.recv()):
                    pass
        except Exception as broken:
            error = broken
        await self._finish(error)
        await self._socket.close()

    async def _finish(self, error: Exception | None) -> None:
        async with self._changed:
            self._over = True
            self._error = self._error or error
            self._changed.notify_all()

    async def _take(self, message: str | bytes) -> bool:
        """Take a message; return whether it was the last."""
        async with self._changed:
            if isinstance(message, bytes):
                await async_wait_for(self._changed, lambda: self._held < HELD or self._over)
                if message[:1] not in (b"\1", b"\2"):
                    raise not_understood()
                self._pieces.append((_STREAMS[message[0]], message[1:]))
                self._held += len(message) - 1
            elif self._tell(transport.decode(message.encode())):
                return True
            self._changed.notify_all()
        return False

    def _tell(self, body: dict[str, Any]) -> bool:
        """Take what a text message says; return whether it is the last one."""
        if body.get("success") is False:
            raise from_problem(body, int(body.get("status", 500)))
        kind = body.get("type")
        if kind == "exit":
            self.exit = to_exit(body)
        elif kind == "started":
            self.pid = int(body["pid"])
            self._window = int(body["window"])
            self._started = True
        elif kind == "taken":
            self._window += int(body["bytes"])
        return kind == "exit"
