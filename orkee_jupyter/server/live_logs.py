"""Logs over the live websocket: batches that the client acknowledges, so that none piles up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from ..sandbox.activity import close_iterator
from ..sandbox.errors import OrkeeError
from ..sandbox.model import LogEntry, LogQuery
from .stream_handlers import entry_json

#: Bytes of a batch: output, and what each entry costs beside it.
BATCH: Final = 64 * 1024
_ENTRY: Final = 64
#: Batches that may be under way without the client having said that it took them.
WINDOW: Final = 4
#: A follower further behind the end than so many bytes is moved on, and told what it missed.
LEAP: Final = 8 * 1024 * 1024

Send = Callable[[dict[str, Any]], Awaitable[None]]
Opening = Callable[[], Awaitable[AsyncIterator[LogEntry]]]


def decode_logs_message(body: dict[str, Any]) -> tuple[str, LogQuery]:
    """Return the sandbox that a ``logs`` message means, and the query. Raises ``invalid_*``."""
    ref, follow = body.get("ref"), body.get("follow", True)
    if not isinstance(ref, str) or not isinstance(follow, bool):
        raise _invalid("`ref` is no string or `follow` no boolean.", "Give both as they are meant.")
    tail, after = (_whole(body.get(key), key) for key in ("tail", "after"))
    return ref, LogQuery(follow=follow, tail=tail, after=after or 0, hold=False, leap=LEAP)


def _whole(value: object, key: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise _invalid(f"`{key}` is no whole number.", "Give one from 0, or null.")
    return value


def _invalid(cause: str, remedy: str) -> OrkeeError:
    return OrkeeError("invalid_request", cause, remedy)


class LiveLog:
    """One log on its way to one client."""

    def __init__(self, number: int, send: Send) -> None:
        self.number = number
        self._send = send
        self._entries: list[LogEntry] = []
        self._size = 0
        self._ended = False
        self._changed = asyncio.Event()  # set: there is something to send, or the end
        self._room = asyncio.Event()
        self._room.set()
        self._under_way = 0
        self._taken = asyncio.Event()

    def ack(self) -> None:
        """Note that the client took a batch; one that was never sent counts for nothing."""
        self._under_way = max(0, self._under_way - 1)
        self._taken.set()

    async def run(self, opening: Opening, ended: Callable[[], Awaitable[str]]) -> None:
        """Send a log to its end, and why it ended. Raises what opening and reading raise."""
        entries = await opening()
        reader = asyncio.create_task(self._read(entries))
        try:
            while await self._next():
                self._under_way += 1
                await self._send(self._message())
            await reader
            await self._send({"type": "log_end", "id": self.number, "end": await ended()})
        finally:
            reader.cancel()
            await asyncio.wait({reader})
            await close_iterator(entries)

    async def _read(self, entries: AsyncIterator[LogEntry]) -> None:
        """Collect a batch at most, and wait until it is sent."""
        try:
            async for entry in entries:
                size = len(entry.data) + _ENTRY
                while self._entries and self._size + size > BATCH:
                    self._room.clear()
                    await self._room.wait()
                self._entries.append(entry)
                self._size += size
                self._changed.set()
        finally:
            self._ended = True
            self._changed.set()

    async def _next(self) -> bool:
        """Wait until there is a batch and the client has room for it; return False at the end."""
        await self._changed.wait()
        while self._entries and self._under_way >= WINDOW:
            self._taken.clear()
            await self._taken.wait()
        await asyncio.sleep(0)  # what is at hand comes into the same batch
        return bool(self._entries)

    def _message(self) -> dict[str, Any]:
        entries, self._entries, self._size = self._entries, [], 0
        self._room.set()
        if not self._ended:
            self._changed.clear()
        pieces = [entry_json(entry) for entry in entries]
        return {"type": "log", "id": self.number, "entries": pieces}
