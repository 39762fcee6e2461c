"""The manager's verbs that pause a sandbox, resume it, or change how long it has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from .lifetimes import Lifetimes
from .model import Sandbox
from .pausing import Pausing
from .ports import Progress
from .refusals import not_active
from .registry import Entry, Registry


class Lifecycle(ABC):
    """A part of the manager: finds the sandbox that is meant, and has the verb done."""

    _registry: Registry
    _pausing: Pausing
    _lifetimes: Lifetimes

    @abstractmethod
    async def _resolve(self, ref: str, owner: str) -> Sandbox:
        """Return the one sandbox that a reference means."""

    async def pause(self, ref: str, owner: str, *, freeze: bool = False) -> Sandbox:
        """End a sandbox's container, keep its workspace, and return its paused row.

        With ``freeze`` the container stays with its memory, and all in it stands still. Nothing
        happens to a paused one. Raises ``sandbox_not_active``, ``freeze_unsupported``.
        """
        return await self._pausing.pause(await self._unended(ref, owner), freeze=freeze)

    async def resume(
        self,
        ref: str,
        owner: str,
        progress: Progress = lambda _: None,
        *,
        wait: bool = True,
        secrets: Mapping[str, str] | None = None,
    ) -> Sandbox:
        """Start the container of a paused sandbox again and return its active row.

        Without ``wait`` the row of now: it goes on by itself. Nothing happens to an active
        one. Raises what ``create`` does, with the sandbox still paused, ``secret_missing`` and
        ``sandbox_not_active``. Cancelling the wait does not cancel the resume.
        """
        entry = await self._unended(ref, owner)
        return await self._pausing.resume(entry, progress, wait=wait, secrets=secrets)

    async def extend(self, ref: str, seconds: int, owner: str) -> Sandbox:
        """Have a sandbox live at least ``seconds`` from now, used or not; return its row.

        Raises ``invalid_ttl``, ``sandbox_not_active``.
        """
        return await self._lifetimes.extend(await self._unended(ref, owner), seconds)

    async def stop_later(self, ref: str, seconds: float, owner: str) -> Sandbox:
        """Stop a sandbox in ``seconds``, unless ``keep`` comes first; return its row of now.

        Raises ``sandbox_not_active``.
        """
        return self._lifetimes.stop_later(await self._unended(ref, owner), seconds)

    async def keep(self, ref: str, owner: str) -> Sandbox:
        """Take a later stop back and return the row. Raises ``sandbox_not_active``."""
        return self._lifetimes.keep(await self._unended(ref, owner))

    async def _unended(self, ref: str, owner: str) -> Entry:
        sandbox = await self._resolve(ref, owner)
        entry = self._registry.entry(sandbox.id)
        if entry is None:
            raise not_active(sandbox)
        return entry
