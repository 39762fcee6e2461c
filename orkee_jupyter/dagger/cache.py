"""The engine's cache: how large it is, and a clean of it that spares the workspaces.

Dagger removes every entry that nothing uses, cache volumes too, and knows no exception. So
while it does, a container has those volumes mounted that have to stay.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import dagger

from ..sandbox.errors import OrkeeError
from ..sandbox.ports import CacheUse
from .failures import translate

if TYPE_CHECKING:
    from .containers import Containers

ASK_TIMEOUT = 30.0  # seconds
CLEAN_TIMEOUT = 600.0  # seconds: a cache of some hundred gigabytes takes minutes
#: Workspaces that one container holds.
_BATCH = 50


class Kept:
    """Which workspaces hold something, as all servers of a user know it: an empty file each.

    A server knows its own sandboxes only, and a database is closed to all but its server.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, sandbox: str) -> None:
        """Note a workspace, before something is in it. Raises OrkeeError ``disk_full``."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self._folder / sandbox).touch(mode=0o600)
        except OSError as error:
            raise OrkeeError(
                "disk_full",
                f"The folder {self._folder} cannot be written: {error.strerror}.",
                "Make room, or see that the folder belongs to you.",
            ) from error

    def forget(self, sandbox: str) -> None:
        """Forget a workspace, once it is empty."""
        with contextlib.suppress(OSError):
            (self._folder / sandbox).unlink()

    def all(self) -> list[str]:
        """Return the sandboxes whose workspaces may hold something."""
        with contextlib.suppress(OSError):
            return [path.name for path in self._folder.iterdir()]
        return []


class Cache:
    """The cache of the engine that a session is connected to."""

    def __init__(self, client: dagger.Client) -> None:
        self._cache = client.engine().local_cache()

    async def use(self) -> CacheUse:
        """Return how large it is. Raises OrkeeError ``engine_*``."""
        try:
            async with asyncio.timeout(ASK_TIMEOUT):
                entries = self._cache.entry_set()
                size, number = await asyncio.gather(
                    entries.disk_space_bytes(), entries.entry_count()
                )
                return CacheUse(size, number)
        except (dagger.DaggerError, TimeoutError, OSError) as error:
            raise translate(error) from error

    async def clean(self, containers: Containers, kept: Sequence[str]) -> int:
        """Remove all that nothing uses but the workspaces of ``kept``; return the bytes freed.

        Nothing is removed if one of them cannot be held. Raises OrkeeError ``engine_*``.
        """
        holders: list[dagger.Service] = []
        try:
            async with asyncio.timeout(CLEAN_TIMEOUT):
                for at in range(0, len(kept), _BATCH):
                    holders.append(await containers.hold(kept[at : at + _BATCH]))
                before = (await self.use()).bytes or 0
                await self._cache.prune()
                return max(0, before - ((await self.use()).bytes or 0))
        except (dagger.DaggerError, TimeoutError, OSError) as error:
            raise translate(error) from error
        finally:
            for holder in holders:
                with contextlib.suppress(dagger.DaggerError, OSError):
                    await holder.stop(kill=True)
