"""Freezing and thawing: a paused sandbox that keeps its container and what runs in it."""

from __future__ import annotations

import asyncio

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import Sandbox, Status
from tests.fakes.clock import settle
from tests.fakes.store import FakeStore
from tests.sandbox.world import OWNER, World, error_of, world

pytestmark = pytest.mark.asyncio


async def now(w: World, sandbox: Sandbox) -> Sandbox:
    return await w.manager.get(sandbox.id, OWNER)


async def frozen(w: World, **fields: object) -> Sandbox:
    """Return a sandbox that was created and frozen, as it was before that."""
    sandbox = await w.create(**fields)
    await w.manager.pause(sandbox.id, OWNER, freeze=True)
    return sandbox


async def test_a_frozen_sandbox_keeps_its_container_and_its_row_promises_none() -> None:
    async with world() as w:
        sandbox = await w.create(command=("sleep", "60"), ports=(3000,))
        row = await w.manager.pause(sandbox.id, OWNER, freeze=True)
        assert (row.status, row.reason, row.frozen) == (Status.PAUSED, "frozen", True)
        assert (row.container_id, row.port_map, row.link) == (None, (), None)
        assert w.store.rows[sandbox.id].container_id is None
        assert w.engine.frozen == {sandbox.id} == set(w.engine.running)
        error = await error_of(w.manager.usable(sandbox.id, OWNER))
        assert (error.code, "frozen" in error.cause) == ("sandbox_not_active", True)


async def test_a_thawed_sandbox_is_what_it_was_and_nothing_was_started() -> None:
    async with world() as w:
        sandbox = await frozen(w, command=("sleep", "60"), ports=(3000,), ttl=400)
        daemon = w.daemon(sandbox)
        await w.clock.advance(1000)
        thawed = await w.manager.resume(sandbox.id, OWNER)
        assert (thawed.status, thawed.frozen, thawed.reason) == (Status.ACTIVE, False, None)
        for same in ("container_id", "port_map", "host_url", "link"):
            assert getattr(thawed, same) == getattr(sandbox, same)
        assert thawed.expires_at == int(w.clock.now()) + 400
        assert w.store.rows[sandbox.id] == thawed
        assert w.daemon(sandbox) is daemon
        assert not w.engine.frozen


async def test_a_freeze_of_what_is_paused_changes_nothing() -> None:
    async with world() as w:
        sandbox = await w.create()
        await w.manager.pause(sandbox.id, OWNER)
        row = await w.manager.pause(sandbox.id, OWNER, freeze=True)
        assert (row.status, row.reason, row.frozen) == (Status.PAUSED, "paused", False)


@pytest.mark.parametrize("code", ["freeze_unsupported", "engine_failed"])
async def test_what_can_not_be_frozen_stays_active(code: str) -> None:
    async with world() as w:
        sandbox = await w.create()
        w.engine.freezes = code != "freeze_unsupported"
        if code == "engine_failed":
            w.points.fail("engine.freeze", OrkeeError(code, "It runs too fast."))
        error = await error_of(w.manager.pause(sandbox.id, OWNER, freeze=True))
        assert error.code == code
        assert (await now(w, sandbox)).status is Status.ACTIVE
        assert await w.manager.usable(sandbox.id, OWNER)


async def test_a_plain_pause_ends_the_container_of_a_frozen_one() -> None:
    async with world() as w:
        sandbox = await frozen(w)
        row = await w.manager.pause(sandbox.id, OWNER)
        assert (row.status, row.reason, row.frozen) == (Status.PAUSED, "paused", False)
        assert not w.engine.running
        assert not w.engine.frozen
        assert not w.hub.open_places
        assert (await w.manager.resume(sandbox.id, OWNER)).status is Status.ACTIVE


async def test_a_stop_of_a_frozen_one_leaves_nothing() -> None:
    async with world() as w:
        sandbox = await frozen(w)
        ended = await w.manager.stop(sandbox.id, OWNER)
        assert (ended.status, ended.frozen) == (Status.TERMINATED, False)
        assert not w.engine.frozen
        w.assert_nothing_left()


async def test_a_frozen_one_that_is_lost_is_paused_with_the_reason() -> None:
    async with world() as w:
        sandbox = await frozen(w)
        w.engine.lose("the engine ended")
        await settle()
        await w.clock.advance(5)
        row = await now(w, sandbox)
        assert (row.status, row.reason, row.frozen) == (Status.PAUSED, "the engine ended", False)
        assert not w.hub.open_places
        assert (await w.manager.resume(sandbox.id, OWNER)).status is Status.ACTIVE


async def test_a_thaw_that_fails_becomes_a_resume_from_the_files() -> None:
    async with world() as w:
        sandbox = await frozen(w)
        w.engine.frozen.clear()
        first = w.daemon(sandbox)
        assert (await w.manager.resume(sandbox.id, OWNER)).status is Status.ACTIVE
        assert w.daemon(sandbox) is not first


async def test_the_server_that_stops_keeps_the_files_of_a_frozen_one() -> None:
    store = FakeStore()
    async with world(store) as w:
        sandbox = await frozen(w)
    assert not w.engine.running
    assert (store.rows[sandbox.id].status, store.rows[sandbox.id].reason) == (
        Status.PAUSED,
        "server stopped",
    )


async def test_after_a_death_of_the_server_its_reason_says_that_the_memory_is_gone() -> None:
    store = FakeStore()
    async with world() as w:
        sandbox = await frozen(w)
        store.rows = {sandbox.id: (await now(w, sandbox)).with_(frozen=False)}
    async with world(store) as later:
        row = await now(later, sandbox)
        assert (row.status, row.frozen) == (Status.PAUSED, False)
        assert row.reason == "the server ended while it was frozen"
        assert store.rows[sandbox.id].reason == row.reason
        await later.manager.stop(sandbox.id, OWNER)


async def test_a_frozen_one_counts_as_running() -> None:
    async with world(max_sandboxes=1) as w:
        sandbox = await frozen(w)
        assert (await error_of(w.create())).code == "too_many_sandboxes"
        assert (await w.manager.resume(sandbox.id, OWNER)).status is Status.ACTIVE


async def test_the_time_that_it_stands_still_is_no_part_of_its_timeout() -> None:
    async with world() as w:
        sandbox = await w.create(timeout=100)
        await w.clock.advance(60)
        await w.manager.pause(sandbox.id, OWNER, freeze=True)
        await w.clock.advance(500)
        assert (await now(w, sandbox)).frozen
        await w.manager.resume(sandbox.id, OWNER)
        await w.clock.advance(35)
        assert (await now(w, sandbox)).status is Status.ACTIVE
        await w.clock.advance(50)
        assert (await now(w, sandbox)).status is Status.FAILED


async def test_a_stop_that_comes_in_the_midst_of_a_freeze_wins() -> None:
    async with world() as w:
        sandbox = await w.create()
        gate = w.points.block("engine.freeze")
        freezing = asyncio.create_task(w.manager.pause(sandbox.id, OWNER, freeze=True))
        await w.points.reached("engine.freeze")
        stopping = asyncio.create_task(w.manager.stop(sandbox.id, OWNER))
        await settle()
        gate.set()
        assert (await stopping).status is Status.TERMINATED
        assert (await error_of(asyncio.wait_for(freezing, 5))).code == "sandbox_not_active"
        assert not w.engine.frozen
        w.assert_nothing_left()
