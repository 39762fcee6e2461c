"""What live connections are told of the engine, kept fresh while there is at least one."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from ..problems import to_problem
from ..sandbox.errors import OrkeeError

if TYPE_CHECKING:
    from .context import ServerContext

#: Seconds between two looks at whether the engine has changed.
INTERVAL: Final = 2.0
#: Seconds after which the whole status is asked for anew, whatever a look says: Docker or
#: Podman may have been started, and asking them costs a process each.
WHOLE: Final = 30.0

log = logging.getLogger(__name__)


class LiveEngine:
    """Looks at the engine and says when its status is another. Of one event loop."""

    def __init__(self, context: ServerContext) -> None:
        self._context = context
        self._looking: asyncio.Task[None] | None = None
        self._pulse: object = None
        self._asked = float("-inf")  # monotonic time of the last whole status
        self.status: dict[str, Any] | None = None  # None before the first one

    def peopled(self, anybody: bool) -> None:
        """Begin to look when there is somebody to tell; stop when there is nobody."""
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        if anybody:
            self.status, self._asked = None, float("-inf")
            self._looking = asyncio.get_running_loop().create_task(self._look())

    def message(self) -> dict[str, Any] | None:
        """Return what to tell a connection, None before anything is known."""
        if self.status is None:
            return None
        setup = self._context.engine_setup
        return {"type": "engine", "engine": {**self.status, "setup": setup}}

    async def _look(self) -> None:
        while True:
            try:
                await self._once()
            except Exception:
                log.exception("orkee: the engine's status could not be told")
            await asyncio.sleep(INTERVAL)

    async def _once(self) -> None:
        try:
            manager = await self._context.manager()
            pulse = await manager.engine_pulse()
            now = time.monotonic()
            if pulse == self._pulse and now - self._asked < WHOLE:
                return
            self._pulse, self._asked = pulse, now
            status = dict(await manager.engine_status())
        except OrkeeError as error:
            status = {"chosen": None, "problem": to_problem(error)}
        if self.status is None or _differ(status, self.status):
            self.status = status
            self._context.live.engine_changed()


def _differ(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True)
