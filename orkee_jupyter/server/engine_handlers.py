"""The REST verbs of the engine: its cache, and its install."""

from __future__ import annotations

from tornado import web

from ..sandbox.lifecycle_requests import decode_nothing
from .api_handlers import RESOURCE
from .base import OrkeeHandler, authorized


class CacheHandler(OrkeeHandler):
    """``/engine/cache``: what the engine's cache holds."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self) -> None:
        manager = await self.manager()
        use = await manager.engine_cache()
        self.answer(cache={"bytes": use.bytes, "entries": use.entries})


class CacheCleanHandler(OrkeeHandler):
    """``/engine/cache/clean``: remove from it what nothing uses."""

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def post(self) -> None:
        manager = await self.manager()
        decode_nothing(self.json_body())
        self.answer(freed_bytes=await manager.clean_engine_cache())


class InstallHandler(OrkeeHandler):
    """``/engine/install``: install the native engine, in the background."""

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def post(self) -> None:
        manager = await self.manager()
        decode_nothing(self.json_body())
        self.answer(202, setup=self.context.setup.begin(manager))
