"""An engine whose containers are entries of a dictionary."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import Limits
from orkee_jupyter.sandbox.ports import CacheUse, ContainerDefinition, Progress
from orkee_jupyter.sandbox.refusals import (
    freeze_unsupported,
    links_unsupported,
    network_policy_unsupported,
)

from .guard import FakeGuard
from .points import Points

IMAGES = frozenset({"node:18-alpine", "python:3.11-slim", "debian:bookworm-slim"})


class FakeEngine:
    """An ``Engine``. ``boot`` is called with each new container's id, as its sandboxd."""

    def __init__(
        self,
        points: Points | None = None,
        boot: Callable[[str], Awaitable[object]] | None = None,
    ) -> None:
        self._points = points or Points()
        self._boot = boot
        self._callbacks: list[Callable[[Sequence[str], str], None]] = []
        self.running: dict[str, ContainerDefinition] = {}
        self.workspaces: set[str] = set()  # cache volumes that may hold something
        self.owed: set[str] = set()  # those that are to be emptied later
        self.closed = False
        self.guards_with: frozenset[str] = frozenset()  # the limits it can enforce
        self.freezes = self.polices = self.links = True
        self.linked: dict[tuple[str, str], str | None] = {}  # by container and name
        self.policed: dict[str, list[str]] = {}  # what containers may reach
        self.frozen: set[str] = set()  # containers that stand still
        self.guards: dict[str, FakeGuard] = {}

    async def prepare(self, progress: Progress) -> None:
        """Be ready: a fake always is."""

    async def start(self, definition: ContainerDefinition, progress: Progress) -> str:
        if definition.image not in IMAGES:
            raise OrkeeError(
                "unknown_image", f"No registry has the image {definition.image}.", "Check its name."
            )
        progress(f"pulling {definition.image}")
        if "false" in definition.setup:
            raise OrkeeError(
                "setup_failed",
                "The setup command 'false' failed with exit code 1.",
                "Correct the template.",
                details={"command": "false", "exit_code": 1},
            )
        self.workspaces.add(definition.sandbox_id)
        self.running[definition.sandbox_id] = definition
        try:
            await self._points.enter("engine.start")
        except OrkeeError:
            # As the real one: an error of its own means that nothing was left behind.
            if definition.fresh:
                self.workspaces.discard(definition.sandbox_id)
            self.running.pop(definition.sandbox_id, None)
            raise
        if self._boot is not None:
            await self._boot(definition.sandbox_id)
        return f"container-{definition.sandbox_id[:12]}"

    async def stop(self, sandbox_id: str) -> None:
        await self._points.enter("engine.stop")
        self.running.pop(sandbox_id, None)
        self.frozen.discard(sandbox_id)

    async def limit(self, sandbox_id: str, limits: Limits) -> FakeGuard | None:
        await self._points.enter("engine.limit")
        if not self.guards_with:
            return None
        self.guards[sandbox_id] = FakeGuard(frozenset(limits.kinds()) & self.guards_with)
        return self.guards[sandbox_id]

    async def freeze(self, sandbox_id: str) -> FakeFrozen:
        await self._points.enter("engine.freeze")
        if not self.freezes:
            raise freeze_unsupported("this is a fake")
        if sandbox_id not in self.running:
            raise OrkeeError("engine_failed", "There is no such container.")
        self.frozen.add(sandbox_id)
        return FakeFrozen(self, sandbox_id)

    async def police(self, sandbox_id: str, hosts: Sequence[str], link: str | None) -> FakeFence:
        await self._points.enter("engine.police")
        if not self.polices:
            raise network_policy_unsupported("this is a fake")
        if sandbox_id not in self.running:
            raise OrkeeError("engine_failed", "There is no such container.")
        self.policed[sandbox_id] = list(hosts)
        return FakeFence()

    async def link(self, sandbox_id: str, name: str, target_id: str | None) -> None:
        await self._points.enter("engine.link")
        if not self.links:
            raise links_unsupported("this is a fake")
        if not {sandbox_id, target_id or sandbox_id} <= set(self.running):
            raise OrkeeError("engine_failed", "There is no such container.")
        self.linked[sandbox_id, name] = target_id

    async def empty_workspace(self, sandbox_id: str) -> None:
        await self._points.enter("engine.empty_workspace")
        self.workspaces.discard(sandbox_id)

    async def empty_later(self, sandbox_id: str) -> None:
        self.owed.add(sandbox_id)

    async def cache(self) -> CacheUse:
        return CacheUse(1000 * len(self.workspaces), len(self.workspaces))

    async def clean_cache(self, keep: Sequence[str]) -> int:
        await self._points.enter("engine.clean_cache")
        lost = self.workspaces - set(keep) - set(self.running)
        self.workspaces -= lost
        return 1000 * len(lost)

    async def install(self, progress: Progress) -> bool:
        progress("building the engine")
        await self._points.enter("engine.install")
        return True

    async def direct_listener(self) -> Any | None:
        return None

    def on_lost(self, callback: Callable[[Sequence[str], str], None]) -> None:
        self._callbacks.append(callback)

    async def pulse(self) -> object:
        return None

    async def status(self) -> Mapping[str, Any]:
        return {"engine": "fake", "running": len(self.running)}

    async def close(self) -> None:
        self.running.clear()
        self.closed = True

    def lose(self, reason: str) -> None:
        """Die, as an engine does: every container is gone at once."""
        ids = list(self.running)
        self.running.clear()
        self.frozen.clear()
        for callback in self._callbacks:
            callback(ids, reason)


class FakeFrozen:
    """A ``Frozen``."""

    def __init__(self, engine: FakeEngine, sandbox_id: str) -> None:
        self._engine = engine
        self._sandbox_id = sandbox_id

    async def thaw(self) -> None:
        if self._sandbox_id not in self._engine.frozen:
            raise OrkeeError("engine_lost", "The engine ended while it was frozen.")
        self._engine.frozen.discard(self._sandbox_id)


class FakeFence:
    """A ``Fence``."""

    async def release(self) -> None:
        return None
