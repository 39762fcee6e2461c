"""Sandboxes that run: what happens to them, and what is done in them."""

from __future__ import annotations

import asyncio

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import ExecRequest, ListQuery, LogQuery, Sandbox, Status
from tests.fakes.clock import settle
from tests.fakes.sandboxes import make_sandbox
from tests.fakes.store import FakeStore
from tests.sandbox.world import OWNER, World, error_of, world

pytestmark = pytest.mark.asyncio


async def test_the_commands_exit_is_noted_and_the_sandbox_stays_usable() -> None:
    async with world() as w:
        sandbox = await w.create(command=("cat",))
        process = w.daemon(sandbox)._process
        assert process is not None
        process.stdin.put_nowait(None)
        await settle()
        row = w.store.rows[sandbox.id]
        assert (row.status, row.exit_code) == (Status.ACTIVE, 0)
        assert row.reason == "command exited with code 0"
        assert w.published[-1] == row
        assert await run(w, sandbox, "echo", "hi") == b"hi\n"


async def test_a_command_ended_by_a_signal_says_so() -> None:
    async with world() as w:
        sandbox = await w.create(command=("sleep", "60"))
        process = w.daemon(sandbox)._process
        assert process is not None
        process.kill("SEGV")
        await settle()
        row = w.store.rows[sandbox.id]
        assert (row.exit_code, row.reason) == (139, "command was ended by SIGSEGV")


async def run(w: World, sandbox: Sandbox, *command: str) -> bytes:
    stream = await w.manager.exec(sandbox.id, ExecRequest(command), OWNER)
    data = b"".join([output.data async for output in stream])
    await stream.exit()
    await stream.close()
    return data


async def test_a_lost_daemon_pauses_the_sandbox_and_keeps_its_workspace() -> None:
    async with world() as w:
        sandbox = await w.create(command=("sleep", "60"))
        w.daemon(sandbox).lose("no heartbeat for 20 s")
        await settle()
        row = w.store.rows[sandbox.id]
        assert (row.status, row.reason) == (Status.PAUSED, "no heartbeat for 20 s")
        assert (row.container_id, row.link) == (None, None)
        assert not w.engine.running
        assert not w.hub.open_places
        assert w.engine.workspaces == {sandbox.id}
        assert w.published[-1] == row


async def test_the_loss_is_the_reason_though_the_command_ends_with_it() -> None:
    async with world() as w:
        sandbox = await w.create(command=("sleep", "60"))
        writing, gate = w.hold_updates()
        w.daemon(sandbox).lose("no heartbeat for 20 s")
        await writing.wait()
        await settle()
        gate.set()
        row = await w.manager.get(sandbox.id, OWNER)
        assert (row.status, row.reason) == (Status.PAUSED, "no heartbeat for 20 s")


async def test_a_lost_engine_pauses_what_ran_in_it() -> None:
    async with world() as w:
        first, second = await w.create(), await w.create()
        w.engine.lose("the engine died")
        await settle()
        assert [w.store.rows[item.id].status for item in (first, second)] == [Status.PAUSED] * 2
        assert w.statuses().count(Status.PAUSED) == 2


async def test_a_paused_sandbox_takes_no_command_but_can_be_stopped() -> None:
    async with world() as w:
        sandbox = await w.create(name="web")
        w.engine.lose("the engine died")
        await settle()
        error = await error_of(w.manager.exec("web", ExecRequest(("true",)), OWNER))
        assert error.code == "sandbox_not_active"
        assert "the engine died" in error.cause
        assert "orkee sandbox stop web" in error.remedy
        w.points.calls.clear()
        assert (await w.manager.stop(sandbox.id, OWNER)).status is Status.TERMINATED
        assert w.points.calls == ["engine.empty_workspace"]
        w.assert_nothing_left()


async def test_a_stop_while_it_is_being_paused_waits_and_ends_it() -> None:
    async with world() as w:
        sandbox = await w.create()
        gate = w.points.block("engine.stop")
        w.daemon(sandbox).lose("gone")
        await w.points.reached("engine.stop")
        stop = asyncio.create_task(w.manager.stop(sandbox.id, OWNER))
        await settle()
        assert w.points.calls.count("engine.stop") == 1
        gate.set()
        assert (await stop).status is Status.TERMINATED
        w.assert_nothing_left()


async def test_exec_streams_output_and_gives_the_exit_code() -> None:
    async with world() as w:
        sandbox = await w.create()
        request = ExecRequest(("sh", "-c", "echo out;echo err >&2;exit 4"))
        stream = await w.manager.exec(sandbox.id, request, OWNER)
        outputs = [(output.stream, output.data) async for output in stream]
        assert outputs == [("stdout", b"out\n"), ("stderr", b"err\n")]
        assert (await stream.exit()).exit_code == 4
        await stream.close()
        await stream.close()


async def test_exec_passes_the_daemons_errors_on() -> None:
    async with world() as w:
        sandbox = await w.create()
        error = await error_of(w.manager.exec(sandbox.id, ExecRequest(("nope",)), OWNER))
        assert error.code == "command_not_found"
        assert w.manager._registry.entry(sandbox.id).holds == 0  # type: ignore[union-attr]


async def test_exec_is_refused_while_creating_stopping_and_after_the_end() -> None:
    async with world() as w:
        gate = w.points.block("daemon.start")
        creation = asyncio.create_task(w.create(name="web"))
        await w.points.reached("daemon.start")
        request = ExecRequest(("true",))
        assert (
            "still being created" in (await error_of(w.manager.exec("web", request, OWNER))).cause
        )
        gate.set()
        await creation
        gate = w.points.block("engine.stop")
        stop = asyncio.create_task(w.manager.stop("web", OWNER))
        await w.points.reached("engine.stop")
        assert "being stopped" in (await error_of(w.manager.exec("web", request, OWNER))).cause
        gate.set()
        await stop
        assert "has ended" in (await error_of(w.manager.exec("web", request, OWNER))).cause


async def test_logs_are_followed_until_the_command_ends() -> None:
    async with world() as w:
        sandbox = await w.create(command=("cat",))
        process = w.daemon(sandbox)._process
        assert process is not None
        log = await w.manager.logs(sandbox.id, LogQuery(follow=True), OWNER)
        process.stdin.put_nowait(b"one\n")
        first = await anext(log)
        process.stdin.put_nowait(None)
        rest = [entry async for entry in log]
        assert (first.data, rest) == (b"one\n", [])


async def test_logs_of_an_ended_sandbox_are_kept_up_to_a_number() -> None:
    async with world(kept_logs=1) as w:
        logs = []
        for _ in range(2):
            sandbox = await w.create(command=("sh", "-c", "echo hi;sleep 9"))
            await w.manager.stop(sandbox.id, OWNER)
            logs.append(sandbox.id)
        read = [await w.manager.logs(ref, LogQuery(), OWNER) for ref in logs]
        assert [[entry.data async for entry in log] for log in read] == [[], [b"hi\n"]]


async def test_a_sandbox_is_found_by_id_prefix_and_name_of_its_owner_only() -> None:
    async with world() as w:
        sandbox = await w.create(name="web")
        for ref in (sandbox.id, sandbox.id.upper(), sandbox.id[:6], "web", " web "):
            assert (await w.manager.get(ref, OWNER)).id == sandbox.id
            assert (await error_of(w.manager.get(ref, "bob"))).code == "sandbox_not_found"


@pytest.mark.parametrize("ref", ["", "../etc", "a b", "x" * 100, "\0", "ünïcode", "'; --", "abc"])
async def test_references_that_mean_nothing_are_not_found(ref: str) -> None:
    async with world() as w:
        await w.create()
        for call in (
            w.manager.get(ref, OWNER),
            w.manager.stop(ref, OWNER),
            w.manager.logs(ref, LogQuery(), OWNER),
            w.manager.exec(ref, ExecRequest(("true",)), OWNER),
        ):
            assert (await error_of(call)).code == "sandbox_not_found"


async def test_a_prefix_of_several_ids_lists_them() -> None:
    async with world() as w:
        first, second = await w.create(), await w.create()
        prefix = first.id[:12]
        assert second.id.startswith(prefix)
        error = await error_of(w.manager.get(prefix, OWNER))
        assert error.code == "ambiguous_id"
        assert len(error.details["ids"]) == 2


async def test_a_name_that_two_servers_have_given_is_answered_with_the_ids() -> None:
    async with world() as w:
        for number in (1, 2):  # as taken in from another server's file
            await w.store.insert(make_sandbox(number, name="web", user_id=OWNER))
        error = await error_of(w.manager.get("web", OWNER))
        assert (error.code, len(error.details["ids"])) == ("ambiguous_id", 2)
        assert error.cause.startswith("2 sandboxes are called 'web': ")
        assert error.remedy == "Give the id of one."


async def test_a_list_shows_what_memory_knows_and_only_the_owners() -> None:
    async with world() as w:
        sandbox = await w.create()
        await w.create(owner="bob")
        w.store.failures["update"] = OrkeeError("disk_full", "The disk is full.")
        w.daemon(sandbox).lose("gone")
        await settle()
        page = await w.manager.list(ListQuery(), OWNER)
        assert [(row.id, row.status) for row in page.sandboxes] == [(sandbox.id, Status.PAUSED)]
        active = ListQuery(statuses=frozenset({Status.ACTIVE}))
        assert (await w.manager.list(active, OWNER)).sandboxes == ()


async def test_a_start_puts_right_what_a_dead_server_left() -> None:
    store = FakeStore()
    async with world() as dead:
        await dead.create(name="ran")
        dead.points.block("engine.start")
        creation = asyncio.create_task(dead.create(name="began"))
        await dead.points.reached("engine.start")
        store.rows = dict(dead.store.rows)  # what is on the disk when the server is killed
        creation.cancel()
    async with world(store) as w:
        ran, began = await w.manager.get("ran", OWNER), await w.manager.get("began", OWNER)
        assert (ran.status, began.status) == (Status.PAUSED, Status.FAILED)
        assert "server ended" in (ran.reason or "")
        assert set(w.statuses()) == {Status.FAILED, Status.PAUSED}
        assert (await error_of(w.create(name="ran"))).code == "name_taken"
        await w.manager.stop("ran", OWNER)
        assert "engine.empty_workspace" in w.points.calls


async def test_the_engines_status_passes_through() -> None:
    async with world() as w:
        assert await w.manager.engine_status() == {"engine": "fake", "running": 0}


async def test_a_live_sandbox_is_found_by_its_id_without_the_store_by_its_owner_only() -> None:
    async with world() as w:
        sandbox = await w.create()
        w.store.failures["find"] = OrkeeError("store_failed", "The disk is gone.")
        assert await run(w, sandbox, "echo", "hi") == b"hi\n"
        assert (await w.manager.get(sandbox.id, OWNER)).id == sandbox.id
        assert (await error_of(w.manager.get(sandbox.id, "eve"))).code == "store_failed"
