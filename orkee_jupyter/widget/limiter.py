"""How much the kernel says to pages, all widgets of it together.

A Jupyter server drops without a word what a kernel publishes above 1,000 messages or
1,000,000 bytes a second, counted over 3 s; cells print there too. So this stays well below:
a burst and three seconds at the rate are less than a third of the one and less than three
quarters of the other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

BYTES: Final = 400_000.0  # a second
BYTES_BURST: Final = 1_000_000.0
MESSAGES: Final = 200.0  # a second
MESSAGES_BURST: Final = 300.0


@dataclass
class _Bucket:
    rate: float  # a second
    capacity: float
    level: float
    at: float

    def fill(self, now: float) -> None:
        self.level = min(self.capacity, self.level + (now - self.at) * self.rate)
        self.at = now

    def wait(self) -> float:
        """Seconds until it is above empty; 0 where it is."""
        return 0.0 if self.level > 0 else (1.0 - self.level) / self.rate


class Limiter:
    """Lets senders go one at a time, each as soon as there is something left to spend.

    What a sender spends may be more than is left; those after it then wait for that long.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        now = clock()
        self._clock = clock
        self._sleep = sleep
        self._bytes = _Bucket(BYTES, BYTES_BURST, BYTES_BURST, now)
        self._messages = _Bucket(MESSAGES, MESSAGES_BURST, MESSAGES_BURST, now)
        self._turn = asyncio.Lock()  # fair: first come, first served

    async def send(self, make: Callable[[], int]) -> None:
        """Wait for the turn and for what is to be spent, then call ``make``.

        It sends one message and returns its bytes; 0 where there was nothing to send.
        """
        async with self._turn:
            while (wait := self._wait()) > 0:
                await self._sleep(wait)
            if size := make():
                self._bytes.level -= size
                self._messages.level -= 1

    def _wait(self) -> float:
        now = self._clock()
        self._bytes.fill(now)
        self._messages.fill(now)
        return max(self._bytes.wait(), self._messages.wait())
