"""The REST verbs that may take long or stream: create, exec and logs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tornado import web

from ..sandbox.errors import OrkeeError
from ..sandbox.model import Exit, LogEntry, LogQuery, Sandbox, Status
from ..sandbox.requests import decode_create, decode_exec, decode_list, decode_logs
from .api_handlers import RESOURCE
from .base import NDJSON, authorized
from .project_folder import project_filling
from .stream import Pieces, StreamHandler, content, line, progress_pieces

if TYPE_CHECKING:
    from ..sandbox.manager import SandboxManager
    from ..sandbox.ports import ExecStream, Progress

PLAIN: Final = "text/plain; charset=utf-8"
#: A command's exit comes by another connection than its log, as a rule a moment later: how
#: often and with which pause, in seconds, one looks whether it has.
_LOOKS: Final = 25
_PAUSE: Final = 0.02

T = TypeVar("T")
Opening = Callable[[], Awaitable[T]]


class SandboxesHandler(StreamHandler):
    """``/sandbox``: all of the owner's sandboxes, and new ones."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self) -> None:
        manager = await self.manager()
        page = await manager.list(decode_list(self.query()), self.owner)
        sandboxes = [self.sandbox_json(manager, each) for each in page.sandboxes]
        self.answer(sandboxes=sandboxes, next=page.next)

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def post(self) -> None:
        manager = await self.manager()
        request = decode_create(self.json_body())
        filling = None
        if request.project_folder is not None:
            filling = await project_filling(self, request.project_folder)

        async def create(progress: Progress = lambda _: None) -> dict[str, Any]:
            sandbox = await manager.create(request, self.owner, progress, filling)
            return {"success": True, "sandbox": self.sandbox_json(manager, sandbox)}

        if not request.wait:
            self.answer(202, **await create())
        elif NDJSON in self.request.headers.get("Accept", ""):
            await self.stream(progress_pieces(create))
        else:
            self.answer(201, **await self.while_connected(create()))


class ExecHandler(StreamHandler):
    """``/sandbox/REF/exec``: run a command and stream its output."""

    @web.authenticated
    @authorized("execute", resource=RESOURCE)
    async def post(self, ref: str) -> None:
        manager = await self.manager()
        request, stdin = decode_exec(self.json_body())

        def opening() -> Awaitable[ExecStream]:
            return manager.exec(ref, request, self.owner)

        if request.detach:
            await self.stream(detached_pieces(opening))
        else:
            await self.stream(exec_pieces(opening, stdin))


class LogsHandler(StreamHandler):
    """``/sandbox/REF/logs``: the main command's output."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self, ref: str) -> None:
        manager = await self.manager()
        arguments = self.query()
        query = decode_logs(arguments)
        # Resolved once: the name may be another sandbox's when the log ends.
        sandbox = await manager.get(ref, self.owner)

        def opening() -> Awaitable[AsyncIterator[LogEntry]]:
            return manager.logs(sandbox.id, query, self.owner)

        if arguments.get("format") == ["raw"]:
            await self.stream(raw_pieces(opening), content_type=PLAIN, heartbeat=b"")
        else:
            ended = end_reason(manager, sandbox, query, self.owner)
            await self.stream(log_pieces(opening, ended))


async def exec_pieces(opening: Opening[ExecStream], stdin: bytes | None) -> Pieces:
    """Yield the lines of a command; end the command if the reader goes away."""
    stream = await opening()
    feeder = asyncio.create_task(_feed(stream, stdin))
    try:
        yield line({"pid": stream.pid})
        async for output in stream:
            if output.stream == "dropped":
                yield line({"stream": "dropped", "bytes": output.dropped})
            else:
                yield line({"stream": output.stream, **content(output.data)})
        yield line(exit_json(await stream.exit()))
    finally:
        feeder.cancel()
        await asyncio.wait({feeder})
        await stream.close()


async def detached_pieces(opening: Opening[ExecStream]) -> Pieces:
    """Yield the pid of a command, and leave it to itself."""
    stream = await opening()
    try:
        yield line({"pid": stream.pid})
    finally:
        await stream.close()


async def _feed(stream: ExecStream, stdin: bytes | None) -> None:
    """Write a command's whole stdin. A command that does not read it is no error."""
    if stdin is None:
        return
    with contextlib.suppress(OrkeeError):
        await stream.write(stdin)
        await stream.end_stdin()


async def log_pieces(
    opening: Opening[AsyncIterator[LogEntry]], ended: Callable[[], Awaitable[str]]
) -> Pieces:
    """Yield the lines of a log, and why it ended."""
    entries = await opening()
    try:
        yield b""  # sends the headers: a follower learns at once that it is connected
        async for entry in entries:
            yield line(entry_json(entry))
        yield line({"end": await ended()})
    finally:
        await _close(entries)


async def raw_pieces(opening: Opening[AsyncIterator[LogEntry]]) -> Pieces:
    """Yield the bytes of both streams of a log."""
    entries = await opening()
    try:
        yield b""
        async for entry in entries:
            yield entry.data
    finally:
        await _close(entries)


def exit_json(end: Exit) -> dict[str, Any]:
    """Return how a command ended, as JSON."""
    return {
        "exit_code": end.exit_code,
        "signal": end.signal,
        "timed_out": end.timed_out,
        "duration": end.duration,
    }


def entry_json(entry: LogEntry) -> dict[str, Any]:
    """Return a piece of a log as JSON."""
    if entry.stream == "dropped":
        return {"seq": entry.seq, "stream": "dropped", "bytes": entry.dropped}
    return {
        "seq": entry.seq,
        "time": entry.time,
        "stream": entry.stream,
        **content(entry.data),
    }


def end_reason(
    manager: SandboxManager, sandbox: Sandbox, query: LogQuery, owner: str
) -> Callable[[], Awaitable[str]]:
    """Return what tells why a log has ended, once it has."""

    async def reason() -> str:
        if not query.follow:
            return "complete"
        with contextlib.suppress(OrkeeError):
            now: Sandbox = await manager.get(sandbox.id, owner)
            for _ in range(_LOOKS):
                if now.status is not Status.ACTIVE or now.exit_code is not None:
                    break
                await asyncio.sleep(_PAUSE)
                now = await manager.get(sandbox.id, owner)
            if now.status is Status.ACTIVE or now.exit_code is not None:
                return "exited"
            if now.status is not Status.TERMINATED:
                return now.status.value
        return "stopped"

    return reason


async def _close(entries: AsyncIterator[LogEntry]) -> None:
    close = getattr(entries, "aclose", None)  # a generator's; an iterator need not have one
    if close is not None:
        await close()
