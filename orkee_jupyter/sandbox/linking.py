"""Links: which other sandboxes of its user one reaches by their names, and when."""

from __future__ import annotations

import logging

from .errors import OrkeeError
from .model import Sandbox
from .ports import Engine
from .refusals import linked_to_itself, not_linked
from .registry import Entry, Registry

log = logging.getLogger(__name__)


class Linker:
    """Keeps the links that rows ask for: a link stands for a name, whoever bears it."""

    def __init__(self, registry: Registry, engine: Engine) -> None:
        self._registry = registry
        self._engine = engine

    def check(self, sandbox: Sandbox) -> None:
        """See that what a new sandbox is to reach runs.

        Raises ``sandbox_not_found``, ``sandbox_not_active``, ``invalid_request``.
        """
        for name in sandbox.links:
            if name == sandbox.name:
                raise linked_to_itself(name)
            found = self._registry.named(name, sandbox.user_id)
            if found is None or not found.usable:
                raise not_linked(name, None if found is None else found.sandbox)

    async def connect(self, entry: Entry) -> None:
        """Link a sandbox whose container has come up, before a program of it runs.

        Those that are linked to it reach it again. Raises ``links_unsupported``, ``engine_*``.
        """
        for name in entry.sandbox.links:
            await self._connect(entry, name)
        for other in list(self._registry):
            if self._reaches(other, entry.sandbox) and other.daemon is not None:
                await self._reconnect(other, entry.sandbox)

    async def _connect(self, entry: Entry, name: str) -> None:
        found = self._registry.named(name, entry.sandbox.user_id)
        if found is not None and found.daemon is not None and found.ending is None:
            try:
                return await self._engine.link(entry.sandbox.id, name, found.sandbox.id)
            except OrkeeError as error:
                if error.code != "engine_failed":
                    raise
                self._note(entry, name, error)  # that one may just have been lost
        await self._engine.link(entry.sandbox.id, name, None)

    async def _reconnect(self, other: Entry, sandbox: Sandbox) -> None:
        """Let another one reach a sandbox that is new: what fails is not that one's fault."""
        name = sandbox.name or ""
        try:
            await self._engine.link(other.sandbox.id, name, sandbox.id)
        except OrkeeError as error:
            self._note(other, name, error)

    def _note(self, entry: Entry, name: str, error: OrkeeError) -> None:
        log.warning("Sandbox %s does not reach %s: %s", entry.sandbox.id, name, error)
        told = f"It does not reach {name}: {error.cause}"
        self._registry.history.note(entry.sandbox.id, "link", told)

    @staticmethod
    def _reaches(other: Entry, sandbox: Sandbox) -> bool:
        own = other.sandbox
        return own.user_id == sandbox.user_id and sandbox.name in own.links
