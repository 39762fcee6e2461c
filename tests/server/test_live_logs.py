"""A log on its way to one client: however much there is, no more than a few batches are held."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import LogEntry
from orkee_jupyter.server.live_logs import BATCH, WINDOW, LiveLog

pytestmark = pytest.mark.asyncio
PIECE = 1000


class Flood:
    """A log without an end, which counts what was taken of it."""

    def __init__(self, last: int = 1 << 60, error: OrkeeError | None = None) -> None:
        self.given, self.last, self.error = 0, last, error
        self.closed = False

    async def open(self) -> AsyncIterator[LogEntry]:
        return self._entries()

    async def _entries(self) -> AsyncIterator[LogEntry]:
        try:
            while self.given < self.last:
                await asyncio.sleep(0)
                self.given += 1
                yield LogEntry(self.given, 1.0, "stdout", b"x" * PIECE)
            if self.error is not None:
                raise self.error
        finally:
            self.closed = True


class Client:
    """Takes messages, and acknowledges them when it is told to."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    async def send(self, message: dict[str, Any]) -> None:
        self.messages.append(message)

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [entry for message in self.messages for entry in message.get("entries", ())]


async def ended() -> str:
    return "stopped"


async def idle() -> None:
    """Let everything go as far as it can."""
    for _ in range(2000):
        await asyncio.sleep(0)


async def test_a_client_that_acknowledges_nothing_is_read_ahead_for_five_batches_at_most() -> None:
    flood, client = Flood(), Client()
    log = LiveLog(1, client.send)
    task = asyncio.create_task(log.run(flood.open, ended))
    await idle()
    taken = flood.given
    await idle()
    assert flood.given == taken <= (WINDOW + 1) * BATCH / PIECE + 1
    assert len(client.messages) == WINDOW
    task.cancel()
    await asyncio.wait({task})
    assert flood.closed


async def test_each_acknowledgement_frees_one_batch() -> None:
    flood, client = Flood(), Client()
    log = LiveLog(1, client.send)
    task = asyncio.create_task(log.run(flood.open, ended))
    for count in range(WINDOW, WINDOW + 20):
        await idle()
        assert len(client.messages) == count
        log.ack()
    task.cancel()
    await asyncio.wait({task})
    assert [entry["seq"] for entry in client.entries] == list(range(1, len(client.entries) + 1))
    assert max(len(message["entries"]) for message in client.messages) * PIECE <= BATCH


async def test_acknowledgements_of_nothing_open_no_window() -> None:
    flood, client = Flood(), Client()
    log = LiveLog(1, client.send)
    for _ in range(100):
        log.ack()
    task = asyncio.create_task(log.run(flood.open, ended))
    await idle()
    assert len(client.messages) == WINDOW
    task.cancel()
    await asyncio.wait({task})


async def test_the_end_comes_behind_all_entries() -> None:
    client = Client()
    log = LiveLog(7, client.send)
    await log.run(Flood(last=3).open, ended)
    assert len(client.entries) == 3
    assert client.messages[-1] == {"type": "log_end", "id": 7, "end": "stopped"}


async def test_what_breaks_the_log_is_raised_behind_what_was_read() -> None:
    client = Client()
    flood = Flood(last=3, error=OrkeeError("internal", "The file is gone."))
    with pytest.raises(OrkeeError):
        await LiveLog(1, client.send).run(flood.open, ended)
    assert len(client.entries) == 3
    assert flood.closed
