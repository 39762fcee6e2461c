"""A manager with everything around it faked, and checks that nothing was left behind."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.manager import SandboxManager, Settings
from orkee_jupyter.sandbox.model import CreateRequest, Sandbox, Status
from orkee_jupyter.sandbox.ports import Progress
from orkee_jupyter.sandbox.records import HistoryStore
from orkee_jupyter.sandbox.templates import TemplateCatalogue
from tests.fakes.clock import FakeClock, settle
from tests.fakes.engine import FakeEngine
from tests.fakes.hub import FakeDaemon, FakeHub
from tests.fakes.points import Points
from tests.fakes.shelf import FakeShelf
from tests.fakes.store import FakeStore

OWNER = "ada"


class World:
    """One server's domain, on virtual time."""

    def __init__(
        self,
        store: FakeStore | None = None,
        history: HistoryStore | None = None,
        **settings: Any,
    ) -> None:
        self.points = Points()
        self.clock = FakeClock()
        self.store = store or FakeStore()
        self.hub = FakeHub(self.clock, self.points)
        self.engine = FakeEngine(self.points, boot=self.hub.dial)
        self.shelf = FakeShelf()
        self.published: list[Sandbox] = []
        self.progress: list[str] = []
        ids = (f"{number:032x}" for number in itertools.count(0xA1B2 << 112))
        self.manager = SandboxManager(
            store=self.store,
            engine=self.engine,
            hub=self.hub,
            templates=TemplateCatalogue(),
            shelf=self.shelf,
            clock=self.clock,
            settings=Settings(**settings),
            history=history,
            publish=self.published.append,
            new_id=lambda: next(ids),
        )

    async def create(self, owner: str = OWNER, **fields: Any) -> Sandbox:
        """Create a sandbox, of ``node`` unless said otherwise."""
        tell: Progress = self.progress.append
        return await self.manager.create(CreateRequest(**fields), owner, tell)

    def daemon(self, sandbox: Sandbox) -> FakeDaemon:
        return self.hub.daemon(sandbox.id)

    @property
    def rows(self) -> list[Sandbox]:
        return list(self.store.rows.values())

    def statuses(self) -> list[Status]:
        """The states that were published, in order; one that stays is one."""
        moves = itertools.groupby(self.published, lambda each: (each.id, each.status))
        return [status for (_, status), _ in moves]

    def hold_updates(self) -> tuple[asyncio.Event, asyncio.Event]:
        """Make the store's updates wait; return what says that one came, and what frees them."""
        came, gate, update = asyncio.Event(), asyncio.Event(), self.store.update

        async def held(sandbox: Sandbox) -> None:
            came.set()
            await gate.wait()
            await update(sandbox)

        self.store.update = held  # type: ignore[method-assign]  # waits, then does
        return came, gate

    def assert_nothing_left(self) -> None:
        """No container, workspace, place or row of a sandbox that could still run."""
        assert not self.engine.running
        assert not self.engine.workspaces
        assert not self.hub.open_places
        assert {row.status for row in self.rows} <= {Status.FAILED, Status.TERMINATED}
        assert all(row.container_id is None for row in self.rows)


@asynccontextmanager
async def world(store: FakeStore | None = None, **settings: Any) -> AsyncIterator[World]:
    """A started world, shut down at the end; no task of it may survive."""
    before = asyncio.all_tasks()
    made = World(store, **settings)
    await made.manager.startup()
    yield made
    ending = asyncio.create_task(made.manager.shutdown())
    await made.clock.advance(30)
    await ending
    await settle()
    left = {task for task in asyncio.all_tasks() - before if not task.done()}
    assert not left, left


async def error_of(call: Coroutine[Any, Any, object]) -> OrkeeError:
    """Return the OrkeeError that a call raises."""
    with pytest.raises(OrkeeError) as caught:
        await call
    return caught.value
