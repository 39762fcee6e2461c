"""What sandboxes use, for a live connection: asked seldom, a few at once, never for long."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from ..sandbox.errors import OrkeeError

if TYPE_CHECKING:
    from ..sandbox.manager import SandboxManager
    from ..sandbox.usage import Stats

#: Seconds between two pushes.
INTERVAL: Final = 2.0
#: Seconds that a sample is fresh: another connection asked just now, or the daemon told it.
FRESH: Final = 1.0
#: Sandboxes of one connection that are asked at once, and seconds that each gets to answer.
AT_ONCE: Final = 4
PATIENCE: Final = 1.5


async def collect(manager: SandboxManager, owner: str) -> dict[str, Any]:
    """Return the stats of an owner's active sandboxes by id; one that is silent is left out.

    It does not count as a use of them.
    """
    room = asyncio.Semaphore(AT_ONCE)

    async def one(sandbox_id: str) -> Stats | None:
        last = manager.last_stats(sandbox_id)
        if last is not None and abs(time.time() - last.time) <= FRESH:
            return last
        try:
            async with room, asyncio.timeout(PATIENCE):
                return await manager.stats(sandbox_id, owner)
        except (OrkeeError, TimeoutError):
            return None

    ids = manager.active_ids(owner)
    samples = await asyncio.gather(*(one(each) for each in ids))
    return {
        each: sample.to_json()
        for each, sample in zip(ids, samples, strict=True)
        if sample is not None
    }
