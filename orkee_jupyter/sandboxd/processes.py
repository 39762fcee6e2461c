"""Commands that run whether or not somebody listens: their list, and what they wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from ..sandbox.errors import OrkeeError
from ..sandbox.model import ExecRequest, Output, Process
from . import frames
from .connection import Connection
from .control import Refused
from .execute import ExecStream, decode_exit, start_error
from .frames import ProtocolError
from .stream import number, text

#: Commands that a daemon may list; it bounds its list itself.
MOST = 1000
_LONGEST = 1 << 53  # milliseconds, or bytes: what a JSON number holds exactly


class AttachStream(ExecStream):
    """A detached command: its kept output, then what comes. Closing it ends nothing."""

    def __init__(
        self,
        connection: Connection,
        request: ExecRequest | None,
        pid: int = 0,
        window: int = frames.WINDOW,
    ) -> None:
        self._dropped = 0  # bytes that the daemon threw away and the reader does not know of
        super().__init__(connection, request or ExecRequest(("",)), window)
        self._attach = pid if request is None else None
        if request is None:
            self._reset_error = lambda code, message: process_error(code, message, pid)

    def opening(self) -> dict[str, Any]:
        """Return what OPEN says."""
        if self._attach is not None:
            return {"kind": "attach", "pid": self._attach}
        return {**super().opening(), "stdin": False, "timeout_ms": 0, "detach": True}

    def allow_opened(self) -> None:
        """Allow output with gaps, the exit."""
        self._connection.allow(frames.DATA, frames.DROPPED, frames.EXIT, frames.RESET)

    def take_other(self, kind: int, payload: memoryview) -> None:
        """Take note of a gap, or of the exit."""
        if kind != frames.DROPPED:
            super().take_other(kind, payload)
            return
        self._dropped += number(frames.decode_json(payload), "bytes", 1, _LONGEST)
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[Output]:
        """Yield output as it comes, with "dropped" where some is missing, to the end."""
        async for output in super().__aiter__():
            if gap := self._gap():
                yield gap
            yield output
        if gap := self._gap():
            yield gap

    def _gap(self) -> Output | None:
        dropped, self._dropped = self._dropped, 0
        return Output("dropped", b"", dropped) if dropped else None


def decode_processes(result: Mapping[str, Any]) -> list[Process]:
    """Return the commands that a daemon lists. Raises ProtocolError for what is no list."""
    listed = result.get("processes")
    if not isinstance(listed, list) or len(listed) > MOST:
        raise ProtocolError("its 'processes' is not a list")
    return [_process(each) for each in listed if isinstance(each, dict)]


def _process(body: Mapping[str, Any]) -> Process:
    words = body.get("command")
    running = body.get("running") is True
    return Process(
        pid=number(body, "pid", 1, 2**31),
        command=tuple(text(word) for word in words[:100]) if isinstance(words, list) else (),
        kind=text(body.get("kind"), 20),
        started=number(body, "started_ms", 0, _LONGEST) / 1000,
        exit=None if running else decode_exit(body),
        name=text(body.get("name"), 32),
    )


def process_error(code: str, message: str, pid: int) -> OrkeeError:
    """Return the OrkeeError for a daemon's refusal to name a process."""
    if code == "not_found":
        return OrkeeError(
            "process_not_found",
            f"The sandbox has no process {pid} to name: {message or 'not found'}.",
            "`%sandbox ps` lists those there are.",
        )
    if code == "not_detached":
        return OrkeeError(
            "process_not_found",
            f"The process {pid} cannot be attached to: {message}.",
            "Start it detached to look at its output from elsewhere.",
        )
    return start_error(code, message)


def kill_error(refused: Refused, pid: int) -> OrkeeError:
    """Return the OrkeeError for a refused signal."""
    return process_error(refused.code, refused.message, pid)
