"""Changes of sandboxes as Jupyter events, so that panel and widget need not poll."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ..sandbox.model import ENDED, LIVE, Sandbox, Status

SCHEMA_ID: Final = "https://schema.orkee.dev/sandbox/v1"
_SCHEMA: Final = Path(__file__).parent / "event_schemas" / "sandbox-v1.yml"

log = logging.getLogger(__name__)


def register(logger: Any) -> None:
    """Teach a server's event logger our schema; a second time is no error."""
    if SCHEMA_ID not in logger.schemas:
        logger.register_event_schema(_SCHEMA)


class Publisher:
    """What the manager calls with each sandbox that changed, on whichever thread.

    A failing listener never disturbs the manager: an event is only a hint.
    """

    def __init__(
        self,
        logger: Any,
        touched: Callable[[], None] = lambda: None,
        live: Callable[[Sandbox], None] = lambda _: None,
    ) -> None:
        self._logger = logger
        self._touched = touched
        self._live = live  # takes each change on the server's loop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._known: dict[str, Status] = {}

    def start(self) -> None:
        """Remember the running loop: ``emit`` raises on any other thread."""
        self._loop = asyncio.get_running_loop()

    @property
    def live(self) -> int:
        """How many sandboxes hold a container, by the last word of each."""
        return sum(status in LIVE for status in self._known.values())

    def __call__(self, sandbox: Sandbox) -> None:
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        try:
            here = asyncio.get_running_loop() is loop
        except RuntimeError:
            here = False
        if here:
            self._emit(sandbox)
        else:
            loop.call_soon_threadsafe(self._emit, sandbox)

    def _emit(self, sandbox: Sandbox) -> None:
        change = self._change(sandbox)
        self._touched()
        self._live(sandbox)
        data = {"id": sandbox.id, "status": sandbox.status.value, "change": change}
        try:
            self._logger.emit(schema_id=SCHEMA_ID, data=data)
        except Exception:
            log.exception("orkee: an event was not sent")

    def _change(self, sandbox: Sandbox) -> str:
        before = self._known.get(sandbox.id)
        if sandbox.status in ENDED:
            self._known.pop(sandbox.id, None)
        else:
            self._known[sandbox.id] = sandbox.status
        if before is None:
            return "created" if sandbox.status is Status.CREATING else "status"
        return "updated" if before is sandbox.status else "status"
