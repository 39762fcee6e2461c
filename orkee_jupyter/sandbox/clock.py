"""The machine's clock, and waiting with a bound on a clock that tests may own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

from .ports import Clock

T = TypeVar("T")

#: Real seconds that a cancelled call gets to end before it is left behind.
CANCEL_PATIENCE = 1.0


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        """Return seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that stand still while the machine is suspended (on Linux)."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


async def within(clock: Clock, seconds: float, awaitable: Awaitable[T]) -> T:
    """Return the result of ``awaitable``; cancel it and raise TimeoutError after ``seconds``."""

    async def run() -> T:
        return await awaitable

    call = asyncio.ensure_future(run())
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({call, timer}, return_when=asyncio.FIRST_COMPLETED)
        if call.done():
            return call.result()
        raise TimeoutError
    finally:
        left = [task for task in (timer, call) if not task.done()]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=CANCEL_PATIENCE)
        if call.done() and not call.cancelled():
            call.exception()  # mark as seen, should it have failed while it was cancelled
