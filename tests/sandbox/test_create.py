"""Creation: the way up, and that each failure on it leaves nothing behind."""

from __future__ import annotations

import asyncio

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import CreateRequest, LogQuery, Status
from tests.fakes.clock import settle
from tests.sandbox.world import OWNER, error_of, world

pytestmark = pytest.mark.asyncio

STEPS = ["hub.open", "engine.start", "hub.connected", "daemon.start"]


async def test_a_created_sandbox_is_active_and_its_row_says_what_it_is() -> None:
    async with world() as w:
        sandbox = await w.create(
            name="web", ports=(3000,), command=("sleep", "60"), env={"A": "1"}, ttl=60
        )
        assert sandbox == w.store.rows[sandbox.id]
        assert (sandbox.status, sandbox.name, sandbox.ports) == (Status.ACTIVE, "web", (3000,))
        assert sandbox.container_id == f"container-{sandbox.id[:12]}"
        assert (sandbox.link, sandbox.image) == ("forwarded", "node:18-alpine")
        assert sandbox.expires_at == sandbox.created_at + 60
        assert w.daemon(sandbox).started == (("sleep", "60"), {"A": "1"}, "/app")
        assert w.statuses() == [Status.CREATING, Status.ACTIVE]


async def test_the_row_is_written_before_anything_is_started() -> None:
    async with world() as w:
        gate = w.points.block("hub.open")
        creation = asyncio.create_task(w.create())
        await w.points.reached("hub.open")
        assert [row.status for row in w.rows] == [Status.CREATING]
        assert not w.engine.running
        gate.set()
        await creation


async def test_progress_is_told_and_shown_as_the_step() -> None:
    async with world() as w:
        gate = w.points.block("engine.start")
        creation = asyncio.create_task(w.create())
        await w.points.reached("engine.start")
        assert w.manager.step(w.rows[0].id) == "pulling node:18-alpine"
        gate.set()
        sandbox = await creation
        assert w.manager.step(sandbox.id) is None
        assert "pulling node:18-alpine" in w.progress


async def test_a_listener_that_raises_does_not_break_the_creation() -> None:
    async with world() as w:

        def broken(_: str) -> None:
            raise ConnectionError("gone")

        sandbox = await w.manager.create(CreateRequest(), OWNER, broken)
        assert sandbox.status is Status.ACTIVE


@pytest.mark.parametrize("step", STEPS)
async def test_a_failure_at_any_step_leaves_a_failed_row_and_nothing_else(step: str) -> None:
    async with world() as w:
        w.points.fail(step, OrkeeError("engine_failed", f"No luck at {step}."))
        error = await error_of(w.create(command=("sleep", "60"), name="web"))
        assert error.cause == f"No luck at {step}."
        assert [(row.status, row.reason) for row in w.rows] == [(Status.FAILED, error.cause)]
        w.assert_nothing_left()
        assert w.statuses()[-1] is Status.FAILED


@pytest.mark.parametrize("step", STEPS)
async def test_an_exception_of_another_kind_fails_it_as_internal(step: str) -> None:
    async with world() as w:
        w.points.fail(step, RuntimeError("a defect"))
        error = await error_of(w.create())
        assert error.code == "internal"
        w.assert_nothing_left()


@pytest.mark.parametrize("step", STEPS)
async def test_cancelling_at_any_step_leaves_a_failed_row_and_nothing_else(step: str) -> None:
    async with world() as w:
        w.points.block(step)
        creation = asyncio.create_task(w.create())
        await w.points.reached(step)
        creation.cancel()
        with pytest.raises(asyncio.CancelledError):
            await creation
        assert [row.status for row in w.rows] == [Status.FAILED]
        assert w.rows[0].reason == "its creation was cancelled"
        w.assert_nothing_left()


@pytest.mark.parametrize("step", STEPS)
async def test_stopping_at_any_step_terminates_it_and_tells_the_creator(step: str) -> None:
    async with world() as w:
        w.points.block(step)
        creation = asyncio.create_task(w.create(name="web"))
        await w.points.reached(step)
        stopped = await w.manager.stop("web", OWNER)
        assert (stopped.status, stopped.reason) == (Status.TERMINATED, "stopped")
        assert (await error_of(_join(creation))).code == "sandbox_not_active"
        assert [row.status for row in w.rows] == [Status.TERMINATED]
        w.assert_nothing_left()


@pytest.mark.parametrize("step", STEPS)
async def test_the_engines_death_at_any_step_fails_it_at_once(step: str) -> None:
    async with world() as w:
        w.points.block(step)
        creation = asyncio.create_task(w.create())
        await w.points.reached(step)
        w.engine.running.setdefault(w.rows[0].id, None)  # type: ignore[arg-type]  # only the id
        w.engine.lose("the engine died")
        assert (await error_of(_join(creation))).code == "engine_lost"
        assert w.rows[0].status is Status.FAILED
        w.assert_nothing_left()


async def _join(task: asyncio.Task[object]) -> object:
    return await task


async def test_a_row_that_cannot_be_written_refuses_the_creation_before_it_begins() -> None:
    async with world() as w:
        w.store.failures["insert"] = OrkeeError("disk_full", "The disk is full.")
        assert (await error_of(w.create(name="web"))).code == "disk_full"
        assert w.rows == []
        assert w.points.calls == []
        await w.create(name="web")


async def test_a_row_that_cannot_become_active_takes_the_container_down_again() -> None:
    async with world() as w:
        w.store.failures["update"] = OrkeeError("disk_full", "The disk is full.")
        assert (await error_of(w.create())).code == "disk_full"
        w.assert_nothing_left()


async def test_an_engine_that_started_nothing_has_no_workspace_to_empty() -> None:
    async with world() as w:
        w.points.fail("engine.start", OrkeeError("no_engine", "There is no engine."))
        assert (await error_of(w.create())).code == "no_engine"
        assert "engine.empty_workspace" not in w.points.calls


@pytest.mark.parametrize("loss", [False, True])
async def test_an_end_that_comes_while_the_active_row_is_written_is_not_missed(loss: bool) -> None:
    async with world() as w:
        writing, gate = w.hold_updates()
        creation = asyncio.create_task(w.create(name="web"))
        await writing.wait()
        if loss:
            w.engine.lose("the engine died")
        stop = asyncio.create_task(w.manager.stop("web", OWNER))
        await settle()
        gate.set()
        await asyncio.gather(stop, creation, return_exceptions=True)
        assert w.rows[0].status is (Status.FAILED if loss else Status.TERMINATED)
        w.assert_nothing_left()


@pytest.mark.parametrize("rounds", range(0, 60, 3))
async def test_a_cancel_at_any_moment_leaves_nothing(rounds: int) -> None:
    async with world() as w:
        creation = asyncio.create_task(w.create())
        await settle(rounds)
        if creation.done():
            return  # the caller has its sandbox: no creation is left to cancel
        creation.cancel()
        with pytest.raises(asyncio.CancelledError):
            await creation
        w.assert_nothing_left()


@pytest.mark.parametrize("rounds", range(4, 60, 3))
async def test_a_stop_at_any_moment_leaves_nothing(rounds: int) -> None:
    async with world() as w:
        creation = asyncio.create_task(w.create(name="web", command=("sleep", "9")))
        await settle(rounds)
        stopped = await w.manager.stop("web", OWNER)
        assert stopped.status is Status.TERMINATED
        await asyncio.gather(creation, return_exceptions=True)
        w.assert_nothing_left()


async def test_a_daemon_that_never_connects_fails_the_creation_after_the_timeout() -> None:
    async with world() as w:
        w.engine._boot = None
        creation = asyncio.create_task(w.create())
        await w.clock.advance(19)
        assert not creation.done()
        await w.clock.advance(2)
        assert (await error_of(_join(creation))).code == "link_failed"
        w.assert_nothing_left()


async def test_a_command_that_fails_at_once_shows_its_code_and_last_lines() -> None:
    async with world() as w:
        error = await error_of(w.create(command=("sh", "-c", "echo one;echo two >&2;exit 3")))
        assert error.code == "command_exited"
        assert error.details == {"exit_code": 3, "signal": None, "lines": ["one", "two"]}
        assert "code 3" in error.cause
        assert "two" in error.cause
        assert w.rows[0].exit_code == 3
        w.assert_nothing_left()


async def test_of_a_long_log_the_last_twenty_lines_are_shown() -> None:
    async with world() as w:
        script = ";".join(f"echo {n}" for n in range(30)) + ";exit 1"
        error = await error_of(w.create(command=("sh", "-c", script)))
        assert error.details["lines"] == [str(n) for n in range(10, 30)]


async def test_the_log_of_a_failed_creation_stays_readable() -> None:
    async with world() as w:
        await error_of(w.create(command=("sh", "-c", "echo why;exit 1")))
        log = await w.manager.logs(w.rows[0].id, LogQuery(), OWNER)
        assert [entry.data async for entry in log] == [b"why\n"]


async def test_a_command_that_ends_well_at_once_leaves_the_sandbox_active() -> None:
    async with world() as w:
        sandbox = await w.create(command=("true",))
        assert (sandbox.status, sandbox.exit_code) == (Status.ACTIVE, 0)
        assert sandbox.reason == "command exited with code 0"


async def test_a_command_that_is_not_in_the_image_is_named() -> None:
    async with world() as w:
        error = await error_of(w.create(command=("nodemon",)))
        assert error.code == "command_not_found"
        w.assert_nothing_left()


async def test_a_sandbox_lost_in_its_first_moment_fails() -> None:
    async with world() as w:
        gate = w.points.block("daemon.start")
        creation = asyncio.create_task(w.create(command=("sleep", "9")))
        await w.points.reached("daemon.start")
        w.hub.daemon(w.rows[0].id).lose("sandboxd was killed")
        gate.set()
        assert (await error_of(_join(creation))).code == "sandbox_lost"
        w.assert_nothing_left()


async def test_an_unknown_template_or_image_is_refused() -> None:
    async with world() as w:
        error = await error_of(w.create(template="nod"))
        assert (error.code, error.remedy) == ("unknown_template", "Did you mean 'node'?")
        assert w.rows == []
        assert (await error_of(w.create(image="nod:18"))).code == "unknown_image"
        w.assert_nothing_left()


async def test_concurrent_creates_never_pass_the_limit() -> None:
    async with world(max_sandboxes=3) as w:
        results = await asyncio.gather(*(w.create() for _ in range(8)), return_exceptions=True)
        refused = [item for item in results if isinstance(item, OrkeeError)]
        assert [error.code for error in refused] == ["too_many_sandboxes"] * 5
        assert len(w.engine.running) == 3


async def test_a_stopped_or_failed_sandbox_makes_room() -> None:
    async with world(max_sandboxes=1) as w:
        first = await w.create()
        await w.manager.stop(first.id, OWNER)
        await error_of(w.create(command=("false",)))
        assert (await w.create()).status is Status.ACTIVE


async def test_of_concurrent_creates_with_one_name_one_wins() -> None:
    async with world() as w:
        results = await asyncio.gather(
            *(w.create(name="web") for _ in range(4)), return_exceptions=True
        )
        codes = [item.code for item in results if isinstance(item, OrkeeError)]
        assert codes == ["name_taken"] * 3
        assert (await w.create(owner="bob", name="web")).status is Status.ACTIVE


async def test_a_name_is_free_as_soon_as_its_sandbox_is_seen_to_have_ended() -> None:
    async with world() as w:
        free = w.points.block("engine.stop")
        first = await w.create(name="web")
        stopping = asyncio.create_task(w.manager.stop(first.id, OWNER))
        await w.points.reached("engine.stop")
        came, write = w.hold_updates()
        free.set()
        await came.wait()
        assert (await w.manager.get(first.id, OWNER)).status is Status.TERMINATED
        creating = asyncio.create_task(w.create(name="web"))
        await settle()
        write.set()
        assert (await creating).name == "web"
        assert (await w.manager.get("web", OWNER)).id == creating.result().id
        await stopping


async def test_a_lifetime_beyond_the_limit_is_refused() -> None:
    async with world(max_ttl=3600) as w:
        assert (await error_of(w.create(ttl=3601))).code == "invalid_ttl"
        assert w.rows == []


async def test_the_default_lifetime_is_the_settings() -> None:
    async with world(default_ttl=120) as w:
        sandbox = await w.create()
        assert sandbox.expires_at - sandbox.created_at == 120


async def test_a_command_whose_end_is_told_late_has_still_failed_at_once() -> None:
    async with world() as w:
        begin = w.points.block("daemon.start")
        creating = asyncio.create_task(w.create(command=("false",)))
        await w.points.reached("daemon.start")
        w.daemon(w.rows[0]).news_after = 0.5
        begin.set()
        await settle()
        await w.clock.advance(0.2)  # beyond the time in which a command ends at once
        await w.clock.advance(0.4)
        assert (await error_of(creating)).code == "command_exited"
        assert w.rows[0].status is Status.FAILED


async def test_a_lifetime_begins_when_the_sandbox_can_be_used() -> None:
    async with world() as w:
        pulled = w.points.block("engine.start")
        creating = asyncio.create_task(w.create(ttl=60))
        await w.points.reached("engine.start")
        await w.clock.advance(300)
        pulled.set()
        assert (await creating).expires_at == int(w.clock.now()) + 60
