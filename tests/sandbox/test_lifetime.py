"""Lifetimes: what renews them, what ends them, and who wins when both come at once."""

from __future__ import annotations

import asyncio

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import ExecRequest, LogQuery, Sandbox, Status
from tests.fakes.clock import settle
from tests.sandbox.world import OWNER, World, error_of, world

pytestmark = pytest.mark.asyncio


async def touch(w: World, sandbox: Sandbox) -> None:
    """Use a sandbox for a moment."""
    stream = await w.manager.exec(sandbox.id, ExecRequest(("true",)), OWNER)
    await stream.exit()
    await stream.close()


async def status(w: World, sandbox: Sandbox) -> Status:
    return (await w.manager.get(sandbox.id, OWNER)).status


async def test_expired_sandboxes_are_ended_by_the_next_round() -> None:
    async with world() as w:
        short, long = await w.create(ttl=200), await w.create(ttl=3600)
        await w.clock.advance(299)
        assert await status(w, short) is Status.ACTIVE
        await w.clock.advance(2)
        assert (await w.manager.get(short.id, OWNER)).reason == "expired"
        assert await status(w, long) is Status.ACTIVE
        assert set(w.engine.running) == {long.id}


async def test_paused_sandboxes_expire_too() -> None:
    async with world() as w:
        sandbox = await w.create(ttl=200)
        w.engine.lose("the engine died")
        await w.clock.advance(600)
        assert await status(w, sandbox) is Status.PAUSED
        await w.clock.advance(7 * 86400)
        assert await status(w, sandbox) is Status.TERMINATED
        w.assert_nothing_left()


async def test_one_that_is_to_be_paused_at_its_expiry_is_paused_and_kept() -> None:
    async with world() as w:
        sandbox = await w.create(ttl=200, on_expiry="pause")
        await w.clock.advance(301)
        assert await status(w, sandbox) is Status.PAUSED
        row = w.store.rows[sandbox.id]
        assert (row.reason, row.on_expiry) == ("expired", "pause")
        assert await w.manager.clean(OWNER) == []
        assert sandbox.id in w.engine.workspaces
        assert (await w.manager.resume(sandbox.id, OWNER)).status is Status.ACTIVE


async def test_a_use_gives_the_whole_lifetime_again() -> None:
    async with world() as w:
        sandbox = await w.create(ttl=400)
        await w.clock.advance(250)
        await touch(w, sandbox)
        await w.clock.advance(349)  # two rounds: at 300 and at 599
        assert await status(w, sandbox) is Status.ACTIVE
        await w.clock.advance(302)
        assert await status(w, sandbox) is Status.TERMINATED


async def test_renewals_are_written_at_most_every_ten_seconds() -> None:
    async with world() as w:
        sandbox = await w.create(ttl=400)
        writes: list[int] = []
        real = w.store.touch

        async def counted(sandbox_id: str, last_active_at: int, expires_at: int) -> None:
            writes.append(expires_at)
            await real(sandbox_id, last_active_at, expires_at)

        w.store.touch = counted  # type: ignore[method-assign]  # counts, then does
        for _ in range(25):
            await touch(w, sandbox)
            await w.clock.advance(1)
        assert len(writes) == 3
        assert (await w.manager.get(sandbox.id, OWNER)).last_active_at == int(w.clock.now()) - 1


async def test_a_connection_never_shortens_a_life() -> None:
    async with world() as w:
        sandbox = await w.create(ttl=400)
        w.clock.jump(-3600)
        await touch(w, sandbox)
        now = await w.manager.get(sandbox.id, OWNER)
        assert now.expires_at == sandbox.expires_at
        assert now.last_active_at == sandbox.last_active_at


async def test_a_long_exec_keeps_its_sandbox_alive_and_the_row_says_so() -> None:
    async with world() as w:
        sandbox = await w.create(ttl=60)
        stream = await w.manager.exec(sandbox.id, ExecRequest(("sleep", "9999")), OWNER)
        await w.clock.advance(1000)
        assert await status(w, sandbox) is Status.ACTIVE
        assert w.store.rows[sandbox.id].expires_at >= w.clock.now() + 30
        await stream.close()
        await w.clock.advance(601)
        assert await status(w, sandbox) is Status.TERMINATED


async def test_a_use_under_way_outlives_a_clock_jump() -> None:
    async with world() as w:
        sandbox = await w.create(ttl=60)
        stream = await w.manager.exec(sandbox.id, ExecRequest(("sleep", "9999")), OWNER)
        w.clock.jump(7200)
        assert await w.manager.clean(OWNER) == []
        assert await status(w, sandbox) is Status.ACTIVE
        await stream.close()


async def test_a_followed_log_keeps_its_sandbox_alive_until_the_reader_leaves() -> None:
    async with world() as w:
        sandbox = await w.create(ttl=60, command=("cat",))
        log = await w.manager.logs(sandbox.id, LogQuery(follow=True), OWNER)
        reading = asyncio.ensure_future(anext(log))
        await w.clock.advance(1000)
        assert await status(w, sandbox) is Status.ACTIVE
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await w.clock.advance(601)
        assert await status(w, sandbox) is Status.TERMINATED


async def test_a_renewal_that_comes_with_the_reaper_wins() -> None:
    async with world() as w:
        sandbox = await w.create(ttl=60)
        await w.clock.advance(100)
        renewal = asyncio.create_task(touch(w, sandbox))
        await w.points.reached("daemon.exec")  # renewed in memory, the row not yet written
        assert await w.manager.clean(OWNER) == []
        await renewal
        assert await status(w, sandbox) is Status.ACTIVE


async def test_a_use_that_comes_after_the_end_began_is_refused() -> None:
    async with world() as w:
        sandbox = await w.create(ttl=60)
        await w.clock.advance(100)
        gate = w.points.block("engine.stop")
        cleaning = asyncio.create_task(w.manager.clean(OWNER))
        await w.points.reached("engine.stop")
        assert (await error_of(touch(w, sandbox))).code == "sandbox_not_active"
        gate.set()
        assert [row.reason for row in await cleaning] == ["expired"]


@pytest.mark.parametrize("jump", [7200, -7200])
async def test_after_a_clock_jump_or_suspend_expiry_waits_for_a_round(jump: float) -> None:
    async with world() as w:
        sandbox = await w.create(ttl=400)
        w.clock.jump(jump)
        await w.clock.advance(301)
        assert await status(w, sandbox) is Status.ACTIVE
        await w.clock.advance(300)
        ended = await status(w, sandbox) is Status.TERMINATED
        assert ended == (jump > 0)


async def test_a_clock_that_is_set_back_makes_nothing_immortal() -> None:
    async with world() as w:
        used, idle = await w.create(ttl=400), await w.create(ttl=400)
        kept = await w.create(ttl=400)
        await w.manager.extend(kept.id, 5000, OWNER)
        w.clock.jump(-86400)
        await w.clock.advance(301)
        for row in (w.store.rows[idle.id], await w.manager.get(idle.id, OWNER)):
            assert row.expires_at <= w.clock.now() + 400
            assert row.last_active_at <= w.clock.now()
        await w.clock.advance(200)
        await touch(w, used)
        await w.clock.advance(400)
        assert await status(w, idle) is Status.TERMINATED
        assert await status(w, used) is Status.ACTIVE
        await w.clock.advance(3600)
        assert await status(w, kept) is Status.ACTIVE, "what was asked for it has"
        await w.clock.advance(900)
        assert await status(w, kept) is Status.TERMINATED


async def test_clean_ends_only_the_owners_expired_ones_and_says_which() -> None:
    async with world() as w:
        mine = await w.create(ttl=60)
        fresh = await w.create(ttl=600)
        other = await w.create(owner="bob", ttl=60)
        await w.clock.advance(61)
        cleaned = await w.manager.clean(OWNER)
        assert [(row.id, row.status) for row in cleaned] == [(mine.id, Status.TERMINATED)]
        assert set(w.engine.running) == {fresh.id, other.id}


async def test_trouble_with_one_sandbox_does_not_keep_the_reaper_from_others() -> None:
    async with world() as w:
        sandboxes = [await w.create(ttl=60) for _ in range(3)]
        w.points.fail("engine.stop", OrkeeError("engine_timeout", "No answer."))
        w.store.failures["update"] = OrkeeError("disk_full", "The disk is full.")
        await w.clock.advance(301)
        assert [await status(w, item) for item in sandboxes] == [Status.TERMINATED] * 3


async def test_a_round_that_fails_is_not_the_last() -> None:
    async with world() as w:
        sandbox = await w.create(ttl=60)
        w.manager._reaper._also = _defect
        await w.clock.advance(301)
        w.manager._reaper._also = None
        await w.clock.advance(300)
        assert await status(w, sandbox) is Status.TERMINATED


async def _defect() -> None:
    await settle(1)
    raise RuntimeError("a defect")


async def test_following_a_log_without_a_hold_does_not_keep_a_sandbox() -> None:
    async with world() as w:
        sandbox = await w.create(command=("sleep", "9999"), ttl=200)
        query = LogQuery(follow=True, hold=False)
        entries = await w.manager.logs(sandbox.id, query, OWNER)
        following = asyncio.ensure_future(anext(entries, None))
        await w.clock.advance(301)
        assert await following is None
        assert (await w.manager.get(sandbox.id, OWNER)).reason == "expired"


async def test_a_renewal_is_published_within_a_second() -> None:
    async with world() as w:
        sandbox = await w.create(ttl=400)
        for _ in range(3):
            await w.clock.advance(2)
            await touch(w, sandbox)
        last = w.published[-1]
        assert last.expires_at == (await w.manager.get(sandbox.id, OWNER)).expires_at
        assert last.expires_at >= sandbox.expires_at + 6
