"""Commands run in a sandbox, and connections to its ports: what is done over a stream."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any

from ..sandbox.errors import OrkeeError
from ..sandbox.model import ExecRequest, Exit, Output
from . import frames
from .connection import Connection
from .frames import ProtocolError
from .stream import Stream, number
from .usage import decode_limit

_SIGNAL = re.compile(r"[A-Z][A-Z0-9+-]{0,15}")
#: What a daemon takes; any other name would be an offence of ours, and end the stream.
_SIGNALS = """
    HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP
    TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS
"""
SIGNALS = frozenset(_SIGNALS.split())
_NAMES = {frames.STDOUT: "stdout", frames.STDERR: "stderr"}
#: A day count that no command reaches; keeps a hostile duration out of reports.
_LONGEST_MS = 10 * 365 * 86_400_000


def start_error(code: str, message: str, command: str = "", cwd: str | None = None) -> OrkeeError:
    """Return the OrkeeError for a daemon's refusal to start a command."""
    if code == "command_not_found":
        return OrkeeError(
            "command_not_found",
            f"The command {command!r} is not in the sandbox.",
            "Use a command that the image has, or install it in a template's setup.",
        )
    if code == "permission_denied":
        return OrkeeError(
            "command_not_executable",
            f"The command {command!r} may not be executed.",
            "Make the file executable, or name the interpreter that runs it.",
        )
    if code == "bad_cwd":
        return OrkeeError(
            "invalid_directory",
            f"The working directory {cwd or ''!r} does not exist in the sandbox.",
            "Name a folder that exists, or make it first.",
        )
    if code == "limit":
        return OrkeeError(
            "limit_exceeded",
            "The sandbox used more than its limits allow, and is being ended.",
            "Create one with a higher limit.",
        )
    if code == "bad_request":
        return OrkeeError(
            "invalid_request",
            f"The daemon did not take the request: {message or 'no reason given'}.",
            "Check the command, the environment and the working directory.",
        )
    return OrkeeError(
        "internal",
        f"The daemon could not do it ({code or 'no code'}): {message or 'no reason given'}.",
        "The sandbox may be out of memory or processes; see its log.",
    )


def decode_exit(body: Mapping[str, Any]) -> Exit:
    """Return the exit in an EXIT frame or an exit notice. Raises ProtocolError."""
    signal = body.get("signal")
    if signal is not None and not (isinstance(signal, str) and _SIGNAL.fullmatch(signal)):
        raise ProtocolError("its 'signal' is not the name of a signal")
    return Exit(
        exit_code=number(body, "exit_code", 0, 255),
        signal=signal,
        timed_out=body.get("timed_out") is True,
        duration=number(body, "duration_ms", 0, _LONGEST_MS) / 1000,
        limit=decode_limit(body),
    )


def check_signal(name: str) -> str:
    """Return a signal's name without SIG. Raises ``invalid_request`` if it is none."""
    short = name.upper().removeprefix("SIG")
    if short not in SIGNALS:
        raise OrkeeError(
            "invalid_request",
            f"{name[:40]!r} is not the name of a signal.",
            "Use INT, TERM or KILL.",
        )
    return short


class ExecStream(Stream):
    """A command that runs in a sandbox; see :class:`orkee_jupyter.sandbox.ports.ExecStream`.

    Its output is read by one iteration. A command that writes more than the window
    (1 MiB) waits until somebody reads, and its exit with it.
    """

    channels = frozenset({frames.STDOUT, frames.STDERR})
    ends = channels  # may be told apart, but only EXIT ends the output

    def __init__(
        self, connection: Connection, request: ExecRequest, window: int = frames.WINDOW
    ) -> None:
        self._exit: Exit | None = None
        self._done = asyncio.Event()
        command = request.command[0] if request.command else ""
        super().__init__(
            connection,
            lambda code, message: start_error(code, message, command, request.cwd),
            window,
        )
        self.pid = 0
        self._request = request

    async def start(self, timeout: float) -> None:
        """Have the command started. Raises as :meth:`Stream.open`."""
        body = await self.open(self.opening(), timeout)
        self.pid = number(body, "pid", 1, 2**31)

    def opening(self) -> dict[str, Any]:
        """Return what OPEN says."""
        request = self._request
        return {
            "kind": "exec",
            "command": list(request.command),
            "env": dict(request.env),
            "cwd": request.cwd,
            "stdin": request.stdin,
            "timeout_ms": max(1, round(request.timeout * 1000)) if request.timeout > 0 else 0,
        }

    def check_opened(self, body: Mapping[str, Any]) -> None:
        """Check the pid."""
        number(body, "pid", 1, 2**31)

    def allow_opened(self) -> None:
        """Allow output, ends, the exit."""
        self._connection.allow(frames.DATA, frames.CREDIT, frames.END, frames.EXIT, frames.RESET)

    def take_other(self, kind: int, payload: memoryview) -> None:
        """Take the exit."""
        if kind != frames.EXIT:
            super().take_other(kind, payload)
        self._exit = decode_exit(frames.decode_json(payload))
        self.settle()
        self._connection.abort()

    def settle(self) -> None:
        """Wake whoever waits for the exit, too."""
        super().settle()
        self._done.set()

    async def __aiter__(self) -> AsyncIterator[Output]:
        """Yield output as it comes, until the command has ended.

        Raises ``sandbox_lost`` if the sandbox ended first.
        """
        while (piece := await self.next_piece()) is not None:
            yield Output(_NAMES[piece[0]], piece[1])

    async def write(self, data: bytes) -> None:
        """Send bytes to stdin; waits while the command does not read.

        Raises ``invalid_request`` if the command has no stdin or it was ended.
        """
        if not self._request.stdin or frames.STDIN in self._ended:
            raise OrkeeError(
                "invalid_request",
                "The command's stdin is not open.",
                "Ask for stdin when the command is started, and write before its end.",
            )
        await self.send(frames.STDIN, data)

    async def end_stdin(self) -> None:
        """Close the command's stdin. May be called twice, or without a stdin."""
        if self._request.stdin and frames.STDIN not in self._ended:
            self._ended.add(frames.STDIN)
            await self.end(frames.STDIN)

    async def signal(self, name: str) -> None:
        """Signal the command's process group; ``name`` with or without SIG."""
        frame = frames.encode_json(frames.SIGNAL, {"signal": check_signal(name)})
        if not self._over:
            self._connection.write(frame)

    async def exit(self) -> Exit:
        """Wait for the end. Raises ``sandbox_lost`` if the sandbox ended first."""
        await self._done.wait()
        if self._exit is None:
            assert self._error is not None
            raise self._error
        return self._exit

    async def close(self) -> None:
        """End the command if it still runs, and free the stream. May be called twice."""
        self.reset("cancelled")


class PortStream(Stream):
    """A connection to a port inside the sandbox."""

    channels = frozenset({frames.STDIN})
    ends = channels
    ends_finish = True

    def __init__(self, connection: Connection, port: int, window: int = frames.WINDOW) -> None:
        self._port = port
        self._ended_here = False
        super().__init__(connection, self._refusal, window)

    def _refusal(self, code: str, message: str) -> OrkeeError:
        return OrkeeError(
            "link_failed",
            f"Nothing in the sandbox answers on port {self._port} ({code or 'no code'}).",
            "Start the server inside the sandbox, and check the port it listens on.",
        )

    async def start(self, timeout: float) -> None:
        """Have the port dialled. Raises ``link_failed`` if nothing listens, else as ``open``."""
        await self.open({"kind": "port", "port": self._port}, timeout)

    def take_end(self, channel: int) -> None:
        """Close the connection once both sides have ended."""
        self._finish_if_done()

    async def read(self) -> bytes:
        """Return the next bytes, b"" at the end. Raises ``sandbox_lost``."""
        piece = await self.next_piece()
        return b"" if piece is None else piece[1]

    async def write(self, data: bytes) -> None:
        """Send bytes; waits while the other end does not read."""
        await self.send(frames.STDIN, data)

    async def end_write(self) -> None:
        """Half-close: no more bytes from here. May be called twice."""
        if not self._ended_here:
            self._ended_here = True
            await self.end(frames.STDIN)
            self._finish_if_done()

    def _finish_if_done(self) -> None:
        if self._ended_here and frames.STDIN in self._ended:
            self.settle()
            self._connection.finish()

    async def close(self) -> None:
        """Reset the connection if it is still open. May be called twice."""
        self.reset("cancelled")


class RawPort(PortStream):
    """A connection to a port that carries bare bytes once it is open.

    For the direct link only: there the connection's own flow control and ends hold, so
    that the bytes need no frames.
    """

    async def start(self, timeout: float) -> None:
        """Have the port dialled. Raises ``link_failed`` if nothing listens, else as ``open``."""
        await self.open({"kind": "port", "port": self._port, "raw": True}, timeout)

    def check_opened(self, body: Mapping[str, Any]) -> None:
        """Check that the daemon sends no frames from here on."""
        if body.get("raw") is not True:
            raise ProtocolError("it did not leave the frames as it was asked to")

    def allow_opened(self) -> None:
        """Allow bytes of any kind."""
        self._connection.go_raw()

    def detach(self) -> tuple[socket.socket, bytes]:
        """Return the connection, not blocking, and the bytes that had come with its opening.

        Raises ``sandbox_lost`` if it is gone.
        """
        try:
            return self._connection.detach()
        except OSError as error:
            raise OrkeeError(
                "sandbox_lost", "The sandbox broke the connection to its port.", ""
            ) from error

    def reset(self, code: str) -> None:
        """Break the connection; a frame might be taken for the port's bytes."""
        self._connection.abort(code)
