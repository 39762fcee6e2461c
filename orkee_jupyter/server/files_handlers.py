"""The REST verbs for the files of a sandbox: metadata, contents, archives, changes."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from tornado import web
from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError

from ..sandbox.errors import OrkeeError
from ..sandbox.file_requests import decode_change, decode_query
from ..sandbox.files import FileRequest, entries_of, entry_json, events_of, received_of
from .api_handlers import RESOURCE
from .base import NDJSON, authorized
from .stream import Pieces, StreamHandler, line

if TYPE_CHECKING:
    from ..sandbox.ports import FileStream

OCTETS: Final = "application/octet-stream"
TAR: Final = "application/x-tar"
#: Entries that an answer which is no stream may hold.
MOST_ENTRIES: Final = 10_000
#: A body without an end of its own: it is not kept, but passed on as it comes.
_NO_LIMIT: Final = 1 << 60


class OperationHandler(StreamHandler):
    """A handler of operations on a sandbox's files."""

    async def operation(self, ref: str, request: FileRequest) -> Opening:
        """Return what begins an operation."""
        manager = await self.manager()
        return lambda: manager.files(ref, request, self.owner)


class FilesHandler(OperationHandler):
    """``/sandbox/REF/files``: what there is, and changes of names."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self, ref: str) -> None:
        request = decode_query("list", self.query())
        opening = await self.operation(ref, request)
        if NDJSON in self.request.headers.get("Accept", ""):
            await self.stream(list_pieces(opening))
        else:
            self.answer(**await self.while_connected(listed(opening)))

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def delete(self, ref: str) -> None:
        await self.change(ref, decode_query("remove", self.query()))

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def post(self, ref: str) -> None:
        await self.change(ref, decode_change(self.json_body()))

    async def change(self, ref: str, request: FileRequest) -> None:
        """Carry out what has no more to tell than that it is done."""
        opening = await self.operation(ref, request)
        await self.while_connected(_done(opening))
        self.answer()


class StartHandler(StreamHandler):
    """``/sandbox/REF/start``: the command of a sandbox that was created without its start."""

    @web.authenticated
    @authorized("execute", resource=RESOURCE)
    async def post(self, ref: str) -> None:
        manager = await self.manager()
        self.json_body()
        sandbox = await self.while_connected(manager.start(ref, self.owner))
        self.answer(sandbox=self.sandbox_json(manager, sandbox))


class WatchHandler(OperationHandler):
    """``/sandbox/REF/files/watch``: changes as they happen."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self, ref: str) -> None:
        request = decode_query("watch", self.query())
        await self.stream(watch_pieces(await self.operation(ref, request)))


class TransferHandler(OperationHandler):
    """What comes and goes as bytes: a body is handed on as it comes, an answer likewise."""

    down: ClassVar[str] = "read"
    up: ClassVar[str] = "write"
    content_type: ClassVar[str] = OCTETS

    def initialize(self) -> None:
        super().initialize()
        self._sink: FileStream | None = None
        self._failure: Exception | None = None
        self._closing: asyncio.Future[None] | None = None

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler has it
        # An upload is dealt with while it comes, so all that a verb's decorators
        # check has to be right before its first byte is taken.
        if self.request.method == "PUT":
            cast("HTTP1Connection", self.request.connection).set_max_body_size(_NO_LIMIT)
        await super().prepare()
        if self.request.method == "PUT" and not self._finished:
            await self._check_allowed()
            request = decode_query(self.up, self.query())
            opening = await self.operation(self.path_args[0], request)
            self._sink = await opening()

    async def _check_allowed(self) -> None:
        user = self.current_user
        if not user:
            raise web.HTTPError(403)
        allowed: object = self.authorizer.is_authorized(self, user, "write", RESOURCE)
        if inspect.isawaitable(allowed):
            allowed = await allowed
        if not allowed:
            raise web.HTTPError(403)

    async def data_received(self, chunk: bytes) -> None:
        if self._sink is None or self._failure is not None:
            return  # the rest of what cannot be used: the client reads its answer after it
        try:
            await self._sink.write(chunk)
        except Exception as error:
            self._failure = error

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def put(self, ref: str) -> None:
        assert self._sink is not None
        if self._failure is not None:
            raise self._failure
        self.answer(received=await self.while_connected(_received(self._sink)))

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self, ref: str) -> None:
        opening = await self.operation(ref, decode_query(self.down, self.query()))
        self.set_header("Content-Disposition", "attachment")
        self.set_header("Content-Type", self.content_type)
        self.set_header("Cache-Control", "no-store")
        try:
            await self.while_connected(self._copy(opening))
        except StreamClosedError:
            return
        except Exception:
            if not self._headers_written:
                raise
            # Cut off, not ended: a reader of bytes sees in no other way that some miss.
            self.log.debug("orkee: a transfer broke", exc_info=True)
            cast("HTTP1Connection", self.request.connection).stream.close()
            return
        with contextlib.suppress(StreamClosedError):
            await self.finish(set_content_type=self.content_type)

    async def _copy(self, opening: Opening) -> None:
        """Hand an operation's bytes on, a piece at a time: here go gigabytes."""
        async with _opened(opening) as source:
            await self.flush()
            while piece := await source.read():
                self.write(piece)
                await self.flush()

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self._close_sink()

    def on_finish(self) -> None:
        super().on_finish()
        self._close_sink()

    def _close_sink(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            self._closing = asyncio.ensure_future(sink.close())


class ContentHandler(TransferHandler):
    """``/sandbox/REF/files/content``: one file's bytes."""


class ArchiveHandler(TransferHandler):
    """``/sandbox/REF/files/archive``: files and folders as a tar archive."""

    down, up, content_type = "pull", "push", TAR


Opening = Callable[[], Awaitable["FileStream"]]


@contextlib.asynccontextmanager
async def _opened(opening: Opening) -> AsyncIterator[FileStream]:
    stream = await opening()
    try:
        yield stream
    finally:
        await stream.close()


async def _done(opening: Opening) -> None:
    async with _opened(opening) as stream:
        await stream.read()


async def _received(sink: FileStream) -> dict[str, int]:
    await sink.end_write()
    return await received_of(sink)


async def listed(opening: Opening) -> dict[str, Any]:
    """Return a path's entry and, of a folder, the entries in it.

    Raises ``archive_too_large`` where they are too many for one answer.
    """
    async with _opened(opening) as stream:
        assert stream.entry is not None
        entries: list[dict[str, Any]] = []
        async for entry in entries_of(stream):
            if len(entries) >= MOST_ENTRIES:
                raise OrkeeError(
                    "archive_too_large",
                    f"The folder holds more than {MOST_ENTRIES} entries.",
                    f"Ask for them as a stream, with Accept: {NDJSON}.",
                )
            entries.append(entry_json(entry))
        return {"entry": entry_json(stream.entry), "entries": entries}


async def list_pieces(opening: Opening) -> Pieces:
    """Yield a path's entry, then the entries of a folder, a line each, and the end."""
    async with _opened(opening) as stream:
        assert stream.entry is not None
        yield line({"entry": entry_json(stream.entry)})
        async for entry in entries_of(stream):
            yield line({"file": entry_json(entry)})
        yield line({"end": "complete"})


async def watch_pieces(opening: Opening) -> Pieces:
    """Yield the changes below a path, a line each."""
    async with _opened(opening) as stream:
        yield b""  # sends the headers: from now on nothing is missed
        async for event in events_of(stream):
            yield line(event)
        yield line({"end": "removed"})
