"""Streamed answers: pieces in batches, with back-pressure, heartbeats and a clean end."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final, cast

from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError

from ..problems import to_problem
from ..sandbox.errors import OrkeeError
from .base import NDJSON, OrkeeHandler, defect

#: Seconds without output after which a heartbeat is sent.
HEARTBEAT: Final = 5.0
#: Bytes taken from the source before the socket has to have taken them.
BATCH: Final = 64 * 1024

Pieces = AsyncGenerator[bytes, None]


def line(value: dict[str, Any]) -> bytes:
    """Return a JSON object as one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def content(data: bytes) -> dict[str, str]:
    """Return bytes as JSON members: ``text`` where they are UTF-8, else ``base64``."""
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


class _Batch:
    """Pieces on their way from a source to a socket, at most :data:`BATCH` bytes and one piece."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._changed = asyncio.Event()  # set: there is something to take, or the end
        self._room = asyncio.Event()
        self._room.set()
        self._ended = False

    async def fill(self, pieces: Pieces) -> None:
        """Take everything from a source; the batch ends when this does, however it does."""
        try:
            async for piece in pieces:
                self._data += piece
                self._changed.set()
                if len(self._data) >= BATCH:
                    self._room.clear()
                    await self._room.wait()
        finally:
            self._ended = True
            self._changed.set()
            await pieces.aclose()

    async def take(self, timeout: float) -> bytes | None:
        """Return what has come; None at the end. Raises TimeoutError after ``timeout`` seconds."""
        if not self._changed.is_set():
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        else:
            await asyncio.sleep(0)  # a source that never waits must not keep the loop
        if self._ended and not self._data:
            return None
        data = bytes(self._data)
        self._data.clear()
        self._room.set()
        if not self._ended:
            self._changed.clear()
        return data


class StreamHandler(OrkeeHandler):
    """A handler whose work ends when its client goes away."""

    def initialize(self) -> None:
        super().initialize()
        self._work: asyncio.Task[Any] | None = None

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self._work is not None:
            self._work.cancel()

    async def while_connected(self, work: Awaitable[Any]) -> Any:
        """Return what ``work`` returns; cancel it when the client goes away.

        Raises what it raises, and StreamClosedError after such a cancellation.
        """
        self._work = asyncio.ensure_future(work)
        try:
            await asyncio.wait({self._work})
        finally:
            self._work.cancel()
        if self._work.cancelled():
            raise StreamClosedError
        return self._work.result()

    async def stream(
        self, pieces: Pieces, *, content_type: str = NDJSON, heartbeat: bytes = b"\n"
    ) -> None:
        """Answer with the pieces of a source.

        What a source holds it opens itself, after it was begun: so it also closes it,
        whenever the client goes away. An error before the first piece is an ordinary
        problem answer; a later one is the last line of the stream.
        """
        try:
            await self.while_connected(self._transfer(pieces, content_type, heartbeat))
        except StreamClosedError:
            return
        except Exception as error:
            if not self._headers_written:
                raise
            if not isinstance(error, OrkeeError):
                self.log.exception("orkee: a stream broke")
                error = defect(error)
            if content_type != NDJSON:
                # Cut off, not ended: a reader of bytes sees in no other way that some miss.
                cast("HTTP1Connection", self.request.connection).stream.close()
                return
            self.write(line(to_problem(error)))
        with contextlib.suppress(StreamClosedError):
            await self.finish(set_content_type=content_type)

    async def _transfer(self, pieces: Pieces, content_type: str, heartbeat: bytes) -> None:
        self.set_header("Content-Type", content_type)
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")  # a proxy in between must not collect
        batch = _Batch()
        reader = asyncio.create_task(batch.fill(pieces))
        try:
            while (data := await self._next(batch, heartbeat)) is not None:
                self.write(data)
                await self.flush()
            await reader
        finally:
            reader.cancel()
            await asyncio.wait({reader})

    @staticmethod
    async def _next(batch: _Batch, heartbeat: bytes) -> bytes | None:
        try:
            return await batch.take(HEARTBEAT)
        except TimeoutError:
            return heartbeat


async def progress_pieces(
    start: Callable[[Callable[[str], None]], Awaitable[dict[str, Any]]],
) -> Pieces:
    """Yield the lines of a long call: its progress, then its result.

    ``start`` is called with the progress callback and gives the last line.
    """
    sentences: asyncio.Queue[str | None] = asyncio.Queue()
    work = asyncio.ensure_future(start(sentences.put_nowait))
    work.add_done_callback(lambda _: sentences.put_nowait(None))
    try:
        while (sentence := await sentences.get()) is not None:
            yield line({"progress": sentence})
        yield line(work.result())
    finally:
        if not work.done():
            work.cancel()
            await asyncio.wait({work})
