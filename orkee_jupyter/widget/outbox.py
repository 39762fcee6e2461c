"""What waits to be said to one view of a page, and the task that says it."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from .limiter import Limiter

Item = Mapping[str, Any]

#: Bytes of one message; an item that is larger goes alone.
_MESSAGE: Final = 96 * 1024
#: Bytes of each stream that wait here at most; beyond it whoever adds to it waits.
_WAITING: Final = 64 * 1024


class _Stream:
    """Items in order. A bounded one makes those wait who add to it faster than it is sent."""

    def __init__(self) -> None:
        self.items: deque[tuple[int, Item]] = deque()
        self.size = 0
        self._room = asyncio.Event()
        self._room.set()

    def add(self, item: Item) -> None:
        size = len(json.dumps(item, ensure_ascii=False, default=str).encode(errors="replace"))
        self.items.append((size, item))
        self.size += size
        if self.size >= _WAITING:
            self._room.clear()

    async def room(self) -> None:
        await self._room.wait()

    def take(self, limit: int, batch: list[Item], count: int | None = None) -> int:
        """Move items to a batch, up to a limit of bytes; return how many bytes."""
        taken = 0
        while self.items and count != 0:
            size = self.items[0][0]
            if size > limit - taken and (taken or batch):
                break
            batch.append(self.items.popleft()[1])
            taken += size
            count = None if count is None else count - 1
        self.size -= taken
        if self.size < _WAITING:
            self._room.set()
        return taken


class Outbox:
    """Sends items in numbered messages, as the limiter allows; what waits goes together.

    Answers go before the live connection's messages, and those beside the bytes of files.
    """

    def __init__(
        self, view: str, limiter: Limiter, publish: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self._view = view
        self._limiter = limiter
        self._publish = publish
        self._number = 0
        self._answers, self._live, self._bulk = _Stream(), _Stream(), _Stream()
        self._some = asyncio.Event()

    def answer(self, item: Item) -> None:
        """Add an answer; there are never more of them than of questions."""
        self._answers.add(item)
        self._some.set()

    async def live(self, item: Item) -> None:
        """Add a live message once there is room for it."""
        await self._live.room()
        self._live.add(item)
        self._some.set()

    async def bulk(self, item: Item) -> None:
        """Add a part of a file once there is room for it."""
        await self._bulk.room()
        self._bulk.add(item)
        self._some.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._waiting():
                await self._limiter.send(self._send)

    def _waiting(self) -> bool:
        return bool(self._answers.items or self._live.items or self._bulk.items)

    def _send(self) -> int:
        batch: list[Item] = []
        size = self._answers.take(_MESSAGE, batch)
        size += self._live.take(_MESSAGE - size, batch)
        # One at least: a log that never pauses would keep a file from ever coming.
        if self._bulk.items and (not batch or size <= _MESSAGE):
            size += self._bulk.take(_MESSAGE, batch, count=1)
        if batch:
            self._number += 1
            self._publish({"view": self._view, "n": self._number, "items": batch})
        return size
