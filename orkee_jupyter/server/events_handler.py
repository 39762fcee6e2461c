"""What has happened to a sandbox, over REST."""

from __future__ import annotations

from tornado import web

from .api_handlers import RESOURCE
from .base import OrkeeHandler, authorized


class EventsHandler(OrkeeHandler):
    """``/sandbox/REF/events``: its history, as far as this server remembers it."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self, ref: str) -> None:
        manager = await self.manager()
        happened = await manager.events(ref, self.owner)
        self.answer(events=[each.to_json() for each in happened])
