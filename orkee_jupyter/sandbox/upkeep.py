"""The manager's verbs for the engine itself: its cache, and its install."""

from __future__ import annotations

from .ports import CacheUse, Engine, Progress
from .registry import Registry


class Upkeep:
    """A part of the manager: what is about the engine and no one sandbox."""

    _engine: Engine
    _registry: Registry

    async def engine_cache(self) -> CacheUse:
        """Return what the engine's cache holds. Does not start an engine."""
        return await self._engine.cache()

    async def clean_engine_cache(self) -> int:
        """Remove from the engine's cache what nothing uses; return the bytes freed.

        No workspace of a sandbox that has not ended is emptied. Raises ``engine_*``.
        """
        return await self._engine.clean_cache([entry.sandbox.id for entry in self._registry])

    async def install_engine(self, progress: Progress) -> bool:
        """Install the native engine, which may take minutes. Raises ``no_engine``."""
        return await self._engine.install(progress)
