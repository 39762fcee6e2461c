"""Commands beyond a single exec: idle ones, detached ones, those that a stop ends."""

from __future__ import annotations

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import ExecRequest, Status
from tests.fakes.clock import settle
from tests.sandbox.world import OWNER, error_of, world

pytestmark = pytest.mark.asyncio


async def test_a_command_that_a_stop_ends_tells_the_stop() -> None:
    async with world() as w:
        sandbox = await w.create(name="web")
        stream = await w.manager.exec(sandbox.id, ExecRequest(("sleep", "60")), OWNER)
        w.daemon(sandbox).execs[0]._process.kill("TERM")  # as the daemon does in order
        entry = w.manager._registry.entry(sandbox.id)
        assert entry is not None
        await w.manager.stop("web", OWNER)
        with pytest.raises(OrkeeError, match="web was stopped while the command ran") as caught:
            await stream.exit()
        assert caught.value.code == "sandbox_lost"
        await stream.close()


async def test_a_signal_of_the_users_own_is_an_exit() -> None:
    async with world() as w:
        sandbox = await w.create()
        stream = await w.manager.exec(sandbox.id, ExecRequest(("sleep", "60")), OWNER)
        await stream.signal("TERM")
        assert (await stream.exit()).signal == "TERM"
        await stream.close()


async def test_an_idle_command_lets_the_sandbox_expire() -> None:
    async with world(reap_interval=10) as w:
        sandbox = await w.create(ttl=60)
        request = ExecRequest(("cat",), stdin=True, hold=False)
        stream = await w.manager.exec(sandbox.id, request, OWNER)
        await w.clock.advance(55)
        await stream.write(b"x")
        await w.clock.advance(55)
        assert w.store.rows[sandbox.id].status is Status.ACTIVE
        await w.clock.advance(75)
        await settle()
        assert w.store.rows[sandbox.id].status is Status.TERMINATED
        await stream.close()


async def test_a_command_that_holds_keeps_the_sandbox() -> None:
    async with world(reap_interval=10) as w:
        sandbox = await w.create(ttl=60)
        request = ExecRequest(("cat",), stdin=True)
        stream = await w.manager.exec(sandbox.id, request, OWNER)
        await w.clock.advance(300)
        assert w.store.rows[sandbox.id].status is Status.ACTIVE
        await stream.close()


async def test_a_detached_command_outlives_its_stream_and_holds_nothing() -> None:
    async with world() as w:
        sandbox = await w.create()
        request = ExecRequest(("sleep", "60"), detach=True)
        stream = await w.manager.exec(sandbox.id, request, OWNER)
        await stream.close()
        (process,) = await w.manager.processes(sandbox.id, OWNER)
        assert (process.pid, process.kind, process.exit) == (stream.pid, "detached", None)
        await w.manager.kill(sandbox.id, process.pid, "TERM", OWNER)
        attached = await w.manager.attach(sandbox.id, process.pid, OWNER)
        assert (await attached.exit()).signal == "TERM"
        await attached.close()
        entry = w.manager._registry.entry(sandbox.id)
        assert entry is not None
        assert entry.holds == 0


@pytest.mark.parametrize("owner", [OWNER, "eve"])
async def test_processes_of_others_and_of_ended_sandboxes_are_out_of_reach(owner: str) -> None:
    async with world() as w:
        sandbox = await w.create()
        if owner == OWNER:
            await w.manager.stop(sandbox.id, OWNER)
        code = "sandbox_not_active" if owner == OWNER else "sandbox_not_found"
        assert (await error_of(w.manager.processes(sandbox.id, owner))).code == code
        assert (await error_of(w.manager.attach(sandbox.id, 1, owner))).code == code
        assert (await error_of(w.manager.kill(sandbox.id, 1, "TERM", owner))).code == code
