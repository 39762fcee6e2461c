"""What a sandbox uses, over REST: one sample, or one after the other."""

from __future__ import annotations

import asyncio
import math
from typing import Final

from tornado import web

from ..sandbox.errors import OrkeeError
from ..sandbox.manager import SandboxManager
from ..sandbox.suggest import remedy_for
from .api_handlers import RESOURCE
from .base import authorized
from .stream import Pieces, StreamHandler, line

#: Seconds between two samples of a stream.
DEFAULT_INTERVAL: Final = 1.0
MIN_INTERVAL: Final = 0.2
MAX_INTERVAL: Final = 3600.0

_PARAMETERS = ("follow", "interval")


class StatsHandler(StreamHandler):
    """``/sandbox/REF/stats``: what it uses now; with ``follow`` until it ends."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self, ref: str) -> None:
        manager = await self.manager()
        follow, interval = _query(self.query())
        if follow:
            await self.stream(self._samples(manager, ref, interval))
        else:
            sample = await manager.stats(ref, self.owner)
            self.answer(stats=sample.to_json())

    async def _samples(self, manager: SandboxManager, ref: str, interval: float) -> Pieces:
        """Yield samples; the last line says why there are no more."""
        sample = await manager.stats(ref, self.owner)
        sandbox = await manager.get(ref, self.owner)  # another may come to have its name
        while True:
            yield line({"stats": sample.to_json()})
            await asyncio.sleep(interval)
            try:
                sample = await manager.stats(sandbox.id, self.owner)
            except OrkeeError as error:
                if error.code not in ("sandbox_not_active", "sandbox_lost"):
                    raise
                break
        sandbox = await manager.get(sandbox.id, self.owner)
        yield line({"end": sandbox.reason or sandbox.status.value})


def _query(given: dict[str, list[str]]) -> tuple[bool, float]:
    """Return whether to follow, and the seconds between samples. Raises ``invalid_request``."""
    for name in given:
        if name not in _PARAMETERS:
            raise OrkeeError(
                "invalid_request",
                f"The parameter {name!r} is unknown.",
                remedy_for(name, _PARAMETERS),
            )
    follow = given.get("follow", ["0"])[-1].lower() in ("1", "true", "yes")
    text = given.get("interval", [str(DEFAULT_INTERVAL)])[-1]
    try:
        interval = float(text)
    except ValueError:
        interval = math.nan
    if not MIN_INTERVAL <= interval <= MAX_INTERVAL:
        raise OrkeeError(
            "invalid_request",
            f"The interval {text!r} is no number of seconds that can be kept.",
            f"Give {MIN_INTERVAL} to {MAX_INTERVAL:g} seconds.",
            details={"field": "interval"},
        )
    return follow, interval
