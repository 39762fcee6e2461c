"""Pause and resume, more time, and stops that can be taken back."""

from __future__ import annotations

import asyncio

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import Sandbox, Status
from orkee_jupyter.store.rows import COLUMNS, from_row, to_row
from tests.fakes.clock import settle
from tests.fakes.store import FakeStore
from tests.sandbox.world import OWNER, World, error_of, world

pytestmark = pytest.mark.asyncio

DAY = 86400


async def now(w: World, sandbox: Sandbox) -> Sandbox:
    return await w.manager.get(sandbox.id, OWNER)


# -- more time ---------------------------------------------------------------


async def test_an_extended_sandbox_lives_at_least_that_long_without_use() -> None:
    async with world() as w:
        sandbox = await w.create(ttl=400)
        extended = await w.manager.extend(sandbox.id, 4000, OWNER)
        assert extended.expires_at == sandbox.created_at + 4000
        assert w.store.rows[sandbox.id].expires_at == extended.expires_at
        assert (await w.manager.events(sandbox.id, OWNER))[-1].event == "extended"
        await w.clock.advance(3900)
        assert (await now(w, sandbox)).status is Status.ACTIVE
        await w.clock.advance(500)
        assert (await now(w, sandbox)).reason == "expired"


async def test_an_extension_shortens_nothing() -> None:
    async with world() as w:
        sandbox = await w.create(ttl=4000)
        assert (await w.manager.extend(sandbox.id, 10, OWNER)).expires_at == sandbox.expires_at


async def test_an_extension_beyond_the_servers_limit_is_refused() -> None:
    async with world(max_ttl=7200) as w:
        sandbox = await w.create()
        assert (await error_of(w.manager.extend(sandbox.id, 7201, OWNER))).code == "invalid_ttl"


async def test_an_extension_beyond_the_timeout_is_refused_and_says_what_is_left() -> None:
    async with world() as w:
        sandbox = await w.create(timeout=1000)
        await w.clock.advance(100)
        error = await error_of(w.manager.extend(sandbox.id, 901, OWNER))
        assert (error.code, error.details["left"]) == ("invalid_ttl", 900)
        assert "at most 900 seconds" in error.remedy
        await w.manager.extend(sandbox.id, 900, OWNER)


# -- a stop that can be taken back ---------------------------------------------


async def test_a_later_stop_says_when_and_comes_then() -> None:
    async with world() as w:
        sandbox = await w.create()
        told = await w.manager.stop_later(sandbox.id, 5, OWNER)
        assert (told.status, told.stop_at) == (Status.ACTIVE, w.clock.now() + 5)
        assert w.published[-1].stop_at == told.stop_at
        await w.clock.advance(4.9)
        assert (await now(w, sandbox)).status is Status.ACTIVE
        await w.clock.advance(0.2)
        ended = await now(w, sandbox)
        assert (ended.status, ended.reason, ended.stop_at) == (Status.TERMINATED, "stopped", None)
        w.assert_nothing_left()


async def test_a_later_stop_that_is_taken_back_does_not_come() -> None:
    async with world() as w:
        sandbox = await w.create()
        await w.manager.stop_later(sandbox.id, 5, OWNER)
        kept = await w.manager.keep(sandbox.id, OWNER)
        assert kept.stop_at is None
        assert w.published[-1].stop_at is None
        assert await w.manager.keep(sandbox.id, OWNER) == kept
        await w.clock.advance(60)
        assert (await now(w, sandbox)).status is Status.ACTIVE


async def test_a_second_later_stop_moves_the_first() -> None:
    async with world() as w:
        sandbox = await w.create()
        await w.manager.stop_later(sandbox.id, 5, OWNER)
        await w.manager.stop_later(sandbox.id, 50, OWNER)
        await w.clock.advance(49)
        assert (await now(w, sandbox)).status is Status.ACTIVE
        await w.clock.advance(2)
        assert (await now(w, sandbox)).status is Status.TERMINATED


async def test_a_stop_at_once_overtakes_a_later_one() -> None:
    async with world() as w:
        sandbox = await w.create()
        await w.manager.stop_later(sandbox.id, 5, OWNER)
        assert (await w.manager.stop(sandbox.id, OWNER)).status is Status.TERMINATED
        error = await error_of(w.manager.keep(sandbox.id, OWNER))
        assert error.code == "sandbox_not_active"
        await w.clock.advance(10)


async def test_a_shutdown_does_not_wait_for_a_later_stop() -> None:
    async with world() as w:
        sandbox = await w.create()
        await w.manager.stop_later(sandbox.id, 60, OWNER)
        await w.manager.shutdown()
        assert w.store.rows[sandbox.id].reason == "server stopped"


# -- pause and resume ----------------------------------------------------------


async def test_a_pause_ends_the_container_and_keeps_the_workspace() -> None:
    async with world() as w:
        sandbox = await w.create(command=("sleep", "60"), ports=(3000,))
        paused = await w.manager.pause(sandbox.id, OWNER)
        assert (paused.status, paused.reason) == (Status.PAUSED, "paused")
        assert (paused.container_id, paused.port_map) == (None, ())
        assert w.store.rows[sandbox.id].status is Status.PAUSED
        assert not w.engine.running
        assert not w.hub.open_places
        assert w.engine.workspaces == {sandbox.id}
        again = await w.manager.pause(sandbox.id, OWNER)
        assert again.status is Status.PAUSED


async def test_a_resumed_sandbox_is_as_it_was() -> None:
    async with world() as w:
        sandbox = await w.create(
            command=("sleep", "60"), ports=(3000,), env={"A": "1"}, name="web", ttl=500
        )
        before = w.engine.running[sandbox.id]
        await w.manager.pause("web", OWNER)
        resumed = await w.manager.resume("web", OWNER)
        assert (resumed.status, resumed.reason, resumed.id) == (Status.ACTIVE, None, sandbox.id)
        assert resumed.port_map == sandbox.port_map
        assert resumed.expires_at == int(w.clock.now()) + 500
        assert w.daemon(resumed).started == (("sleep", "60"), {"A": "1"}, "/app")
        after = w.engine.running[sandbox.id]
        assert (after.image, after.setup, after.fresh) == (before.image, before.setup, False)
        assert w.store.rows[sandbox.id].status is Status.ACTIVE


async def test_a_port_of_the_host_that_was_asked_for_is_asked_for_again() -> None:
    async with world() as w:
        sandbox = await w.create(ports=(3000,), host_ports={3000: 8123})
        await w.manager.pause(sandbox.id, OWNER)
        resumed = await w.manager.resume(sandbox.id, OWNER)
        assert resumed.port_map[0].host_port == 8123


async def test_a_resume_that_fails_leaves_it_paused_with_the_reason_and_its_files() -> None:
    async with world() as w:
        sandbox = await w.create()
        await w.manager.pause(sandbox.id, OWNER)
        w.points.fail("engine.start", OrkeeError("engine_failed", "The disk is broken."))
        error = await error_of(w.manager.resume(sandbox.id, OWNER))
        assert error.code == "engine_failed"
        row = await now(w, sandbox)
        assert (row.status, row.reason) == (Status.PAUSED, "The disk is broken.")
        assert w.store.rows[sandbox.id].reason == "The disk is broken."
        said = (await w.manager.events(sandbox.id, OWNER))[-1]
        assert (said.event, "The disk is broken." in said.text) == ("paused", True)
        assert not w.hub.open_places
        assert w.manager.step(sandbox.id) is None
        assert w.engine.workspaces == {sandbox.id}


async def test_a_resume_whose_command_ends_at_once_leaves_nothing_running() -> None:
    async with world() as w:
        sandbox = await w.create(command=("sleep", "60"))
        await w.manager.pause(sandbox.id, OWNER)
        entry = w.manager._registry.entry(sandbox.id)
        assert entry is not None
        entry.sandbox = entry.sandbox.with_(command=("sh", "-c", "exit 3"))
        error = await error_of(w.manager.resume(sandbox.id, OWNER))
        assert error.code == "command_exited"
        assert (await now(w, sandbox)).status is Status.PAUSED
        assert not w.engine.running
        assert not w.hub.open_places


async def test_two_resumes_are_one_and_an_active_sandbox_needs_none() -> None:
    async with world() as w:
        sandbox = await w.create()
        await w.manager.pause(sandbox.id, OWNER)
        w.points.calls.clear()
        both = await asyncio.gather(
            w.manager.resume(sandbox.id, OWNER), w.manager.resume(sandbox.id, OWNER)
        )
        assert [each.status for each in both] == [Status.ACTIVE] * 2
        assert w.points.calls.count("engine.start") == 1
        assert (await w.manager.resume(sandbox.id, OWNER)).status is Status.ACTIVE


async def test_a_resume_without_wait_goes_on_by_itself() -> None:
    async with world() as w:
        sandbox = await w.create()
        await w.manager.pause(sandbox.id, OWNER)
        told = await w.manager.resume(sandbox.id, OWNER, wait=False)
        assert told.status is Status.PAUSED
        await settle()
        assert (await now(w, sandbox)).status is Status.ACTIVE


@pytest.mark.parametrize("verb", ["stop", "pause"])
async def test_a_stop_or_pause_breaks_a_resume_off(verb: str) -> None:
    async with world() as w:
        sandbox = await w.create()
        await w.manager.pause(sandbox.id, OWNER)
        w.points.block("engine.start")
        resuming = asyncio.create_task(w.manager.resume(sandbox.id, OWNER))
        await w.points.reached("engine.start")
        ended = await getattr(w.manager, verb)(sandbox.id, OWNER)
        assert ended.status is (Status.TERMINATED if verb == "stop" else Status.PAUSED)
        assert (await error_of(asyncio.wait_for(resuming, 5))).code == "sandbox_not_active"
        assert not w.engine.running
        assert (w.engine.workspaces == set()) is (verb == "stop")


async def test_a_resume_counts_against_the_limit_of_sandboxes() -> None:
    async with world(max_sandboxes=1) as w:
        first = await w.create()
        await w.manager.pause(first.id, OWNER)
        await w.create()
        error = await error_of(w.manager.resume(first.id, OWNER))
        assert error.code == "too_many_sandboxes"


async def test_a_sandbox_that_was_paused_on_request_is_kept_for_a_week() -> None:
    async with world() as w:
        sandbox = await w.create(ttl=200)
        await w.manager.pause(sandbox.id, OWNER)
        await w.clock.advance(7 * DAY - 400)
        assert (await now(w, sandbox)).status is Status.PAUSED
        await w.clock.advance(800)
        assert (await now(w, sandbox)).reason == "expired"
        w.assert_nothing_left()


async def test_time_that_was_asked_for_outlasts_the_server() -> None:
    store = FakeStore()
    async with world() as w:
        sandbox = await w.create(ttl=400)
        await w.manager.pause(sandbox.id, OWNER)
        extended = await w.manager.extend(sandbox.id, 5 * DAY, OWNER)
        row = to_row(w.store.rows[sandbox.id])
        store.rows = {sandbox.id: from_row(tuple(row[name] for name in COLUMNS))}
        assert extended.promised == int(w.clock.now()) + 5 * DAY
    async with world(store) as later:
        resumed = await later.manager.resume(sandbox.id, OWNER)
        assert resumed.expires_at == extended.promised
        await later.manager.stop(sandbox.id, OWNER)


async def test_time_that_was_asked_for_outlasts_a_pause() -> None:
    async with world() as w:
        sandbox = await w.create(ttl=200)
        extended = await w.manager.extend(sandbox.id, 9000, OWNER)
        await w.manager.pause(sandbox.id, OWNER)
        resumed = await w.manager.resume(sandbox.id, OWNER)
        assert resumed.expires_at == extended.expires_at


async def test_a_pause_does_not_count_as_part_of_the_timeout() -> None:
    async with world() as w:
        sandbox = await w.create(timeout=100)
        await w.clock.advance(60)
        await w.manager.pause(sandbox.id, OWNER)
        await w.clock.advance(500)
        await w.manager.resume(sandbox.id, OWNER)
        await w.clock.advance(39)
        assert (await now(w, sandbox)).status is Status.ACTIVE
        await w.clock.advance(10)
        assert (await now(w, sandbox)).status is Status.FAILED


async def test_what_a_dead_server_left_can_be_resumed_with_all_it_had() -> None:
    async with world() as first:
        sandbox = await first.create(command=("sleep", "60"), env={"KEY": "v"}, ports=(3000,))
        await first.manager.pause(sandbox.id, OWNER)
    async with world(first.store) as w:
        resumed = await w.manager.resume(sandbox.id, OWNER)
        assert resumed.port_map[0].port == 3000
        assert w.daemon(resumed).started == (("sleep", "60"), {"KEY": "v"}, "/app")


async def test_a_row_of_an_old_server_takes_its_setup_from_the_template() -> None:
    async with world() as w:
        sandbox = await w.create()
        await w.manager.pause(sandbox.id, OWNER)
        entry = w.manager._registry.entry(sandbox.id)
        assert entry is not None
        entry.sandbox = entry.sandbox.with_(setup=None, template="gone")
        error = await error_of(w.manager.resume(sandbox.id, OWNER))
        assert error.code == "unknown_template"


async def test_an_ended_sandbox_has_no_life_to_change() -> None:
    async with world() as w:
        sandbox = await w.create()
        await w.manager.stop(sandbox.id, OWNER)
        for call in (
            w.manager.pause(sandbox.id, OWNER),
            w.manager.resume(sandbox.id, OWNER),
            w.manager.extend(sandbox.id, 60, OWNER),
            w.manager.keep(sandbox.id, OWNER),
            w.manager.stop_later(sandbox.id, 5, OWNER),
        ):
            assert (await error_of(call)).code == "sandbox_not_active"
