"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio


async def settle(rounds: int = 100) -> None:
    """Let every task run that can run without time passing."""
    for _ in range(rounds):
        await asyncio.sleep(0)


class FakeClock:
    """A ``Clock``. Waits of at most ``patience`` seconds pass by themselves, without time."""

    def __init__(self, start: float = 1_700_000_000.0, patience: float = 0.2) -> None:
        self._wall = start
        self._steady = 0.0
        self._patience = patience
        self._waits: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._wall

    def monotonic(self) -> float:
        return self._steady

    async def sleep(self, seconds: float) -> None:
        if seconds <= self._patience:
            await settle()
            return
        wait: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        item = (self._steady + seconds, wait)
        self._waits.append(item)
        try:
            await wait
        finally:
            self._waits.remove(item)

    async def advance(self, seconds: float) -> None:
        """Let time pass: each wait ends at its own moment, and what it woke runs."""
        await settle()
        end = self._steady + seconds
        while due := [item for item in self._waits if item[0] <= end and not item[1].done()]:
            at, wait = min(due, key=lambda item: item[0])
            self._pass(max(0.0, at - self._steady))
            wait.set_result(None)
            await settle()
        self._pass(end - self._steady)
        await settle()

    def jump(self, seconds: float) -> None:
        """Move the wall clock alone, as setting it or a suspend does."""
        self._wall += seconds

    def _pass(self, seconds: float) -> None:
        self._wall += seconds
        self._steady += seconds
