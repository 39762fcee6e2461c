"""Stops and shutdowns: in order, bounded, and with nothing left behind."""

from __future__ import annotations

import asyncio

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import ExecRequest, LogQuery, Status
from tests.fakes.clock import settle
from tests.fakes.store import FakeStore
from tests.sandbox.world import OWNER, error_of, world

pytestmark = pytest.mark.asyncio

LOST = OrkeeError("engine_lost", "The engine died.")


async def test_a_stop_ends_command_container_workspace_and_link_in_that_order() -> None:
    async with world() as w:
        sandbox = await w.create(command=("sleep", "60"))
        w.points.calls.clear()
        stopped = await w.manager.stop(sandbox.id, OWNER)
        assert w.points.calls == [
            "daemon.stop",
            "engine.stop",
            "engine.empty_workspace",
            "hub.close",
        ]
        assert (stopped.status, stopped.reason) == (Status.TERMINATED, "stopped")
        assert stopped == w.store.rows[sandbox.id] == w.published[-1]
        w.assert_nothing_left()


async def test_a_second_stop_waits_for_the_first_and_then_says_that_it_has_ended() -> None:
    async with world() as w:
        sandbox = await w.create()
        gate = w.points.block("engine.stop")
        first = asyncio.create_task(w.manager.stop(sandbox.id, OWNER))
        second = asyncio.create_task(w.manager.stop(sandbox.id, OWNER))
        await w.points.reached("engine.stop")
        await settle()
        assert not second.done()
        gate.set()
        assert (await first).status is Status.TERMINATED
        with pytest.raises(OrkeeError, match="has ended"):
            await second
        assert w.points.calls.count("engine.stop") == 1


async def test_a_cancelled_stop_goes_on_to_its_end() -> None:
    async with world() as w:
        sandbox = await w.create()
        gate = w.points.block("engine.stop")
        stop = asyncio.create_task(w.manager.stop(sandbox.id, OWNER))
        await w.points.reached("engine.stop")
        stop.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stop
        gate.set()
        await settle()
        w.assert_nothing_left()


async def test_a_stop_of_an_ended_sandbox_is_refused_with_what_to_do() -> None:
    async with world() as w:
        sandbox = await w.create()
        await w.manager.stop(sandbox.id, OWNER)
        error = await error_of(w.manager.stop(sandbox.id, OWNER))
        assert error.code == "sandbox_not_active"
        assert error.details["status"] == "terminated"
        assert "orkee sandbox create node" in error.remedy


@pytest.mark.parametrize(
    "step", ["daemon.stop", "engine.stop", "engine.empty_workspace", "hub.close"]
)
@pytest.mark.parametrize("error", [LOST, RuntimeError("a defect")])
async def test_a_step_that_fails_does_not_keep_the_sandbox_active(
    step: str, error: Exception
) -> None:
    async with world() as w:
        sandbox = await w.create()
        w.points.fail(step, error)
        stopped = await w.manager.stop(sandbox.id, OWNER)
        assert stopped.status is Status.TERMINATED
        assert w.points.calls[-1] == "hub.close"
        told = "could not" in (stopped.reason or "")
        assert told == step.startswith("engine.")


@pytest.mark.parametrize("step", ["daemon.stop", "engine.stop", "engine.empty_workspace"])
async def test_a_step_that_hangs_is_given_up(step: str) -> None:
    async with world() as w:
        sandbox = await w.create()
        w.points.block(step)
        stop = asyncio.create_task(w.manager.stop(sandbox.id, OWNER))
        await w.points.reached(step)
        await w.clock.advance(61)
        assert (await stop).status is Status.TERMINATED
        assert not w.hub.open_places


async def test_a_full_disk_does_not_prevent_a_stop_and_the_row_follows_later() -> None:
    async with world() as w:
        sandbox = await w.create()
        gate = w.points.block("engine.stop")
        stop = asyncio.create_task(w.manager.stop(sandbox.id, OWNER))
        await w.points.reached("engine.stop")
        w.store.failures["update"] = OrkeeError("disk_full", "The disk is full.")
        gate.set()
        assert (await stop).status is Status.TERMINATED
        assert w.store.rows[sandbox.id].status is Status.ACTIVE
        assert (await w.manager.get(sandbox.id, OWNER)).status is Status.TERMINATED
        await w.clock.advance(301)
        assert w.store.rows[sandbox.id].status is Status.TERMINATED
        w.store.failures["update"] = OrkeeError("disk_full", "The disk is full.")
        await w.clock.advance(301)
        assert "update" in w.store.failures  # what was written is not written again


async def test_a_stream_that_is_closed_while_its_sandbox_ends_renews_nothing() -> None:
    async with world() as w:
        sandbox = await w.create()
        stream = await w.manager.exec(sandbox.id, ExecRequest(("sleep", "60")), OWNER)
        gate = w.points.block("engine.stop")
        stop = asyncio.create_task(w.manager.stop(sandbox.id, OWNER))
        await w.points.reached("engine.stop")
        await w.clock.advance(5)
        await stream.close()
        gate.set()
        assert (await stop).expires_at == sandbox.expires_at


async def test_streams_of_a_sandbox_end_with_it() -> None:
    async with world() as w:
        sandbox = await w.create(command=("sleep", "60"))
        stream = await w.manager.exec(sandbox.id, ExecRequest(("sleep", "60")), OWNER)
        log = await w.manager.logs(sandbox.id, LogQuery(follow=True), OWNER)
        reading = asyncio.create_task(_drain(log))
        await w.manager.stop(sandbox.id, OWNER)
        assert (await error_of(stream.exit())).code == "sandbox_lost"
        await reading
        await stream.close()


async def _drain(entries: object) -> None:
    async for _ in entries:  # type: ignore[attr-defined]  # any log
        pass


async def test_a_shutdown_stops_every_sandbox_in_parallel() -> None:
    async with world(on_shutdown="stop") as w:
        for _ in range(5):
            await w.create(command=("sleep", "60"))
        gate = w.points.block("engine.stop")
        ending = asyncio.create_task(w.manager.shutdown())
        await settle()
        assert w.points.calls.count("engine.stop") == 5
        gate.set()
        await ending
        w.assert_nothing_left()
        assert {row.reason for row in w.rows} == {"server stopped"}


async def test_two_shutdowns_at_once_are_one() -> None:
    async with world(on_shutdown="stop") as w:
        await w.create()
        await asyncio.gather(w.manager.shutdown(), w.manager.shutdown())
        await w.manager.shutdown()
        assert w.points.calls.count("engine.stop") == 1
        w.assert_nothing_left()


async def test_a_shutdown_breaks_creations_off_and_refuses_new_ones() -> None:
    async with world() as w:
        w.points.block("engine.start")
        creation = asyncio.create_task(w.create())
        await w.points.reached("engine.start")
        await w.manager.shutdown()
        with pytest.raises(OrkeeError, match="server stopped"):
            await creation
        assert (await error_of(w.create())).code == "server_unreachable"
        w.assert_nothing_left()


async def test_a_shutdown_with_a_dead_engine_ends_in_time_with_every_row_ended() -> None:
    async with world(on_shutdown="stop") as w:
        sandbox = await w.create()
        w.points.block("engine.stop")
        ending = asyncio.create_task(w.manager.shutdown())
        await w.points.reached("engine.stop")
        await w.clock.advance(3)
        await ending
        row = w.store.rows[sandbox.id]
        assert row.status is Status.TERMINATED
        assert row.reason == "server stopped; it did not end in time"
        assert w.engine.owed == {sandbox.id}, "whoever starts next empties its workspace"
        assert not w.hub.open_places


@pytest.mark.parametrize("engine", ["alive", "dead"])
async def test_a_shutdown_pauses_what_is_active_and_leaves_its_workspace(engine: str) -> None:
    async with world() as w:
        kept = await w.create(command=("sleep", "60"))
        given_up = await w.create()
        await w.manager.stop_later(given_up.id, 60, OWNER)
        gate = w.points.block("engine.stop")
        ending = asyncio.create_task(w.manager.shutdown())
        await w.points.reached("engine.stop")
        if engine == "alive":
            gate.set()
        await w.clock.advance(8)
        await ending
        row = w.store.rows[kept.id]
        assert (row.status, row.reason) == (Status.PAUSED, "server stopped")
        assert row.expires_at >= w.clock.now() + 7 * 86400 - 60
        assert w.store.rows[given_up.id].status is Status.TERMINATED
        assert kept.id in w.engine.workspaces


async def test_a_shutdown_leaves_paused_sandboxes_resumable() -> None:
    async with world() as w:
        sandbox = await w.create()
        w.engine.lose("the engine died")
        await settle()
        await w.manager.shutdown()
        assert w.store.rows[sandbox.id].status is Status.PAUSED
        assert w.engine.workspaces == {sandbox.id}


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.PAUSED])
async def test_a_stop_that_died_with_its_server_is_done_by_the_next(status: Status) -> None:
    async with world() as w:
        made = await w.create()
    store = FakeStore()
    await store.insert(made.with_(status=status, given_up=True, reason=None))
    async with world(store) as again:
        again.engine.workspaces.add(made.id)
        await settle()
        row = store.rows[made.id]
        assert row.status is Status.TERMINATED
        assert row.reason == "stopped; the server ended before that was done"
        assert made.id not in again.engine.workspaces
