"""Streams of a sandbox: the output of a command, and the log with its followers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Self

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import Exit, LogEntry

from .. import transport
from ..results import to_bytes, to_entry, to_exit
from ..waiting import async_pause
from .connection import AsyncConnection

RETRIES = 5  # of a broken log, in a row without an entry in between
FIRST_PAUSE = 0.1  # seconds before the first, doubled for each further one


class AsyncExecStream:
    """A command that runs in a sandbox: yields ``(stream, bytes)``, then holds its end.

    The command starts at the first piece asked for. Closing the stream ends the command.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        path: str,
        body: Mapping[str, Any] | None,
        method: str = "POST",
    ) -> None:
        self.pid: int | None = None  #: of the command in the sandbox, once it runs
        self.exit: Exit | None = None  #: how it ended, None while it runs
        self._connection = connection
        self._path = path
        self._body = body
        self._method = method
        self._pieces = self._read()

    @property
    def exit_code(self) -> int | None:
        """The command's exit code, None while it runs."""
        return None if self.exit is None else self.exit.exit_code

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[str, bytes]:
        return await self._pieces.__anext__()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the command if it still runs. May be called twice."""
        await self._pieces.aclose()

    async def _read(self) -> AsyncGenerator[tuple[str, bytes]]:
        lines = self._connection.lines(
            self._method, self._path, body=self._body, timeout=transport.EXEC
        )
        try:
            async for line in lines:
                if line.get("stream") == "dropped":
                    yield "stderr", f"[{line.get('bytes')} bytes are missing here]\n".encode()
                elif "stream" in line:
                    yield str(line["stream"]), to_bytes(line)
                elif "exit_code" in line:
                    self.exit = to_exit(line)
                    return
                elif "pid" in line:
                    self.pid = int(line["pid"])
        finally:
            await lines.aclose()
        raise self._connection.broken()


class AsyncLogStream:
    """The log of a sandbox: yields entries, and resumes behind the last one when it breaks."""

    def __init__(
        self,
        connection: AsyncConnection,
        path: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        after: int = 0,
    ) -> None:
        self.end: str | None = None  #: why the log ended, None before
        self._connection = connection
        self._path = path
        self._follow = follow
        self._tail = tail
        self._since = since
        self._after = after  # the sequence number of the last entry
        self._received = False
        self._entries = self._read()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> LogEntry:
        return await self._entries.__anext__()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop reading. May be called twice."""
        await self._entries.aclose()

    async def _read(self) -> AsyncGenerator[LogEntry]:
        failures = 0
        while True:
            last = self._after
            lines = self._lines()
            try:
                async for entry in lines:
                    self._after, self._received = entry.seq, True
                    yield entry
                if self.end is not None:
                    return
                error = self._connection.broken()
            except OrkeeError as broken:
                if broken.code != "server_unreachable" or not self._received:
                    raise
                error = broken
            finally:
                await lines.aclose()
            failures = 0 if self._after > last else failures + 1
            if failures >= RETRIES:
                raise error
            await async_pause(FIRST_PAUSE * 2**failures)

    async def _lines(self) -> AsyncGenerator[LogEntry]:
        """Yield what one connection brings."""
        lines = self._connection.lines(
            "GET",
            self._path,
            params=self._params(),
            timeout=transport.FOLLOW,
            start=not self._received,
        )
        try:
            async for line in lines:
                if "end" in line:
                    self.end = str(line["end"])
                    return
                entry = to_entry(line)
                if entry.seq > self._after:  # never the same one twice
                    yield entry
        finally:
            await lines.aclose()

    def _params(self) -> list[tuple[str, str]]:
        params = [("follow", "1")] if self._follow else []
        if self._after:
            params.append(("after", str(self._after)))
        if self._tail is not None and not self._received:
            params.append(("tail", str(self._tail)))
        if self._since is not None and not self._received:
            params.append(("since", repr(float(self._since))))
        return params
