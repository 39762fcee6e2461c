"""Limits: how they are given, who keeps them, and what a sandbox that breaks one comes to."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from orkee_jupyter.sandbox.conditions import parse_condition
from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.limits import (
    broken,
    decode_limits,
    merged,
    parse_cpus,
    parse_memory,
    parse_pids,
    parse_timeout,
    timed_out,
)
from orkee_jupyter.sandbox.model import ExecRequest, Limits, Sandbox, Status
from orkee_jupyter.sandbox.requests import decode_create
from orkee_jupyter.sandbox.template_file import read_template
from orkee_jupyter.sandbox.usage import Gauge, Usage
from tests.fakes.clock import settle
from tests.sandbox.world import OWNER, World, error_of, world

MIB = 1024**2
SMALL = Limits(memory=256 * MIB, cpus=1.5, pids=100)
ALL = frozenset({"memory", "cpus", "pids"})


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ("256m", 256 * MIB),
        ("256M", 256 * MIB),
        ("256MiB", 256 * MIB),
        ("1.5g", 1536 * MIB),
        ("512 mb", 512 * MIB),
        (64 * MIB, 64 * MIB),
        (str(64 * MIB), 64 * MIB),
    ],
)
def test_memory_is_given_in_many_ways(given: object, size: int) -> None:
    assert parse_memory(given) == size


@pytest.mark.parametrize(
    "given", ["", "m", "1x", "-5m", "1m", 100, True, None, [], "9" * 30, "nan"]
)
def test_memory_that_cannot_be_kept_is_refused(given: object) -> None:
    with pytest.raises(OrkeeError) as caught:
        parse_memory(given)
    assert caught.value.code == "invalid_limit"


@pytest.mark.parametrize("given", [0, 0.01, -1, "x", True, None, float("nan"), float("inf"), 5000])
def test_processors_that_cannot_be_kept_are_refused(given: object) -> None:
    with pytest.raises(OrkeeError) as caught:
        parse_cpus(given)
    assert caught.value.code == "invalid_limit"


@pytest.mark.parametrize("given", [0, -1, 1.5, "1.5", True, None, 10**7])
def test_processes_that_cannot_be_kept_are_refused(given: object) -> None:
    with pytest.raises(OrkeeError) as caught:
        parse_pids(given)
    assert caught.value.code == "invalid_limit"


def test_numbers_may_come_as_text() -> None:
    assert (parse_cpus("1.5"), parse_pids("100"), parse_timeout("30m")) == (1.5, 100, 1800)


@pytest.mark.parametrize("given", ["", "soon", 0, -1, 10**9, None])
def test_a_timeout_that_cannot_be_kept_is_refused(given: object) -> None:
    with pytest.raises(OrkeeError) as caught:
        parse_timeout(given)
    assert (caught.value.code, caught.value.details["field"]) == ("invalid_limit", "timeout")


def test_a_misspelt_limit_is_an_error_that_names_the_right_one() -> None:
    with pytest.raises(OrkeeError) as caught:
        decode_create({"limits": {"memroy": "1g"}})
    assert (caught.value.code, "memory" in caught.value.remedy) == ("invalid_limit", True)
    assert caught.value.details["field"] == "limits.memroy"


def test_a_request_holds_limits_and_timeout() -> None:
    request = decode_create(
        {"limits": {"memory": "256m", "cpus": 1.5, "pids": 100}, "timeout": "30m"}
    )
    assert (request.limits, request.timeout) == (SMALL, 1800)
    assert decode_limits({"memory": None}) == Limits()


def test_a_template_file_may_have_limits(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(
        'image = "debian:12"\ntimeout = "1h"\n[limits]\nmemory = "256m"\ncpus = 1.5\npids = 100\n'
    )
    template = read_template(path, "small", 60)
    assert (template.limits, template.timeout) == (SMALL, 3600)
    path.write_text('image = "debian:12"\nlimits = 5\n')
    with pytest.raises(OrkeeError) as caught:
        read_template(path, "small", 60)
    assert caught.value.code == "invalid_template"


def test_what_was_not_asked_for_comes_from_the_template() -> None:
    assert merged(Limits(pids=5), SMALL) == Limits(256 * MIB, 1.5, 5)
    assert (merged(None, SMALL), merged(Limits(), SMALL)) == (SMALL, SMALL)


def test_reasons_are_said_in_few_words() -> None:
    assert broken("memory", SMALL) == "memory limit 256 MiB"
    assert broken("pids", SMALL) == "process limit 100"
    assert [timed_out(n) for n in (90, 1800, 7200)] == [
        "timeout 90 s",
        "timeout 30 min",
        "timeout 2 h",
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize("kinds", [frozenset(), frozenset({"cpus"}), ALL])
async def test_what_the_engine_cannot_enforce_the_daemon_does(kinds: frozenset[str]) -> None:
    async with world() as w:
        w.engine.guards_with = kinds
        sandbox = await w.create(limits=SMALL)
        assert sandbox.enforced == {
            kind: "outside" if kind in kinds else "inside" for kind in SMALL.kinds()
        }
        asked = w.daemon(sandbox).limits
        assert frozenset(asked.kinds() if asked else ()) == ALL - kinds


@pytest.mark.asyncio
async def test_a_server_may_leave_the_engine_out() -> None:
    async with world(limits="inside") as w:
        w.engine.guards_with = ALL
        sandbox = await w.create(limits=SMALL)
        assert (w.daemon(sandbox).limits, w.engine.guards) == (SMALL, {})


@pytest.mark.asyncio
async def test_limits_are_set_before_the_command_starts() -> None:
    async with world() as w:
        w.engine.guards_with = frozenset({"memory"})
        await w.create(limits=SMALL, command=("sleep", "60"))
        order = [
            step
            for step in w.points.calls
            if step in ("engine.limit", "daemon.limit", "daemon.start")
        ]
        assert order == ["engine.limit", "daemon.limit", "daemon.start"]


async def limited(w: World, outside: bool) -> Sandbox:
    w.engine.guards_with = ALL if outside else frozenset()
    return await w.create(limits=SMALL)


def break_it(w: World, sandbox: Sandbox, outside: bool, kind: str) -> None:
    if outside:
        w.engine.guards[sandbox.id].break_limit(kind)
    else:
        w.daemon(sandbox).break_limit(kind)


@pytest.mark.asyncio
@pytest.mark.parametrize("outside", [True, False])
@pytest.mark.parametrize(
    ("kind", "reason"), [("memory", "memory limit 256 MiB"), ("pids", "process limit 100")]
)
async def test_a_broken_limit_fails_the_sandbox(outside: bool, kind: str, reason: str) -> None:
    async with world() as w:
        sandbox = await limited(w, outside)
        break_it(w, sandbox, outside, kind)
        await settle()
        row = w.store.rows[sandbox.id]
        assert (row.status, row.reason) == (Status.FAILED, reason)
        assert all(guard.released for guard in w.engine.guards.values())
        w.assert_nothing_left()
        error = await error_of(w.manager.exec(sandbox.id, ExecRequest(("true",)), OWNER))
        assert (error.code, reason in error.cause) == ("sandbox_not_active", True)


@pytest.mark.asyncio
@pytest.mark.parametrize("outside", [True, False])
async def test_what_was_under_way_ends_with_that_reason(outside: bool) -> None:
    async with world() as w:
        sandbox = await limited(w, outside)
        stream = await w.manager.exec(sandbox.id, ExecRequest(("sleep", "60")), OWNER)
        break_it(w, sandbox, outside, "memory")
        error = await error_of(stream.exit())
        assert error.code == "limit_exceeded"
        assert error.details["reason"] == "memory limit 256 MiB"
        await stream.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("hold", [True, False])
@pytest.mark.parametrize("told", [True, False])
async def test_whoever_reads_the_output_hears_that_reason_too(hold: bool, told: bool) -> None:
    async with world() as w:
        sandbox = await limited(w, outside=True)
        request = ExecRequest(("sleep", "60"), hold=hold)
        stream = await w.manager.exec(sandbox.id, request, OWNER)
        w.engine.guards[sandbox.id].break_limit("memory", told=told)
        w.daemon(sandbox).lose("the sandbox's container ended")
        with pytest.raises(OrkeeError) as caught:
            async for _ in stream:
                pass
        assert caught.value.code == "limit_exceeded"
        await stream.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("command", [("false",), ("sleep", "60")])
async def test_a_command_that_breaks_a_limit_at_once_is_a_creation_that_fails_of_it(
    command: tuple[str, ...],
) -> None:
    async with world() as w:
        w.engine.guards_with = ALL
        begin = w.points.block("daemon.start")
        creating = asyncio.create_task(w.create(limits=SMALL, command=command))
        await w.points.reached("daemon.start")
        row = w.rows[0]
        w.engine.guards[row.id].break_limit("memory", told=False)
        if command != ("false",):
            w.daemon(row).lose("the sandbox's container ended")
        begin.set()
        with pytest.raises(OrkeeError) as caught:
            await creating
        assert caught.value.code == "limit_exceeded"
        ended = w.store.rows[row.id]
        assert (ended.status, ended.reason) == (Status.FAILED, "memory limit 256 MiB")


@pytest.mark.asyncio
@pytest.mark.parametrize("told", [True, False])
async def test_whoever_waits_for_a_port_hears_that_reason_too(told: bool) -> None:
    async with world() as w:
        sandbox = await limited(w, outside=True)
        port = parse_condition("port:3000")
        waiting = asyncio.create_task(w.manager.wait(sandbox.id, port, 60, OWNER))
        await settle()
        w.engine.guards[sandbox.id].break_limit("memory", told=told)
        w.daemon(sandbox).lose("the sandbox's container ended")
        with pytest.raises(OrkeeError) as caught:
            await waiting
        assert caught.value.code == "limit_exceeded"


@pytest.mark.asyncio
async def test_a_command_that_the_kernel_killed_asks_why() -> None:
    async with world() as w:
        sandbox = await limited(w, outside=True)
        stream = await w.manager.exec(sandbox.id, ExecRequest(("sleep", "60")), OWNER)
        w.engine.guards[sandbox.id].break_limit("memory", told=False)
        await stream.signal("KILL")
        assert (await error_of(stream.exit())).code == "limit_exceeded"
        await stream.close()


@pytest.mark.asyncio
async def test_a_container_that_ended_of_its_limit_is_not_paused() -> None:
    async with world() as w:
        sandbox = await limited(w, outside=True)
        w.engine.guards[sandbox.id].break_limit("memory", told=False)
        w.daemon(sandbox).lose("the sandbox's container ended")
        await settle()
        row = w.store.rows[sandbox.id]
        assert (row.status, row.reason) == (Status.FAILED, "memory limit 256 MiB")


@pytest.mark.asyncio
async def test_a_container_that_is_lost_within_its_limits_is_paused() -> None:
    async with world() as w:
        sandbox = await limited(w, outside=True)
        w.daemon(sandbox).lose("the sandbox's container ended")
        await settle()
        assert w.store.rows[sandbox.id].status is Status.PAUSED
        assert w.engine.guards[sandbox.id].released


@pytest.mark.asyncio
async def test_a_timeout_ends_a_sandbox_that_is_in_use() -> None:
    async with world() as w:
        sandbox = await w.create(timeout=90, ttl=3600)
        stream = await w.manager.exec(sandbox.id, ExecRequest(("sleep", "1000")), OWNER)
        await w.clock.advance(89)
        assert w.store.rows[sandbox.id].status is Status.ACTIVE
        await w.clock.advance(2)
        error = await error_of(stream.exit())
        assert (error.code, error.details["reason"]) == ("limit_exceeded", "timeout 90 s")
        await stream.close()
        await settle()
        row = w.store.rows[sandbox.id]
        assert (row.status, row.reason) == (Status.FAILED, "timeout 90 s")


USAGE = Usage(10.0, 5.0, 0.0, 2**20, 2**21, 2, 3, 100, 200, 4096, True)


def test_a_share_of_processors_is_told_over_the_last_moments() -> None:
    from dataclasses import replace

    gauge = Gauge()
    assert gauge.take(USAGE, 1.0).cpu_percent == 50.0
    assert gauge.take(replace(USAGE, uptime=11.0, cpu_seconds=6.5), 2.0).cpu_percent == 150.0
    assert gauge.take(
        replace(USAGE, uptime=11.1, cpu_seconds=6.5), 2.1
    ).cpu_percent == pytest.approx(136.4)
    assert gauge.latest is not None
    assert gauge.latest.memory_bytes == 2**20


@pytest.mark.asyncio
async def test_stats_are_asked_for_and_the_last_ones_kept() -> None:
    async with world() as w:
        sandbox = await limited(w, outside=True)
        assert w.manager.last_stats(sandbox.id) is None
        w.daemon(sandbox).told(USAGE)
        last = w.manager.last_stats(sandbox.id)
        assert last is not None
        assert (last.processes, last.cpu_seconds) == (2, 5.0)
        expires = (await w.manager.get(sandbox.id, OWNER)).expires_at
        await w.clock.advance(5)
        assert (await w.manager.stats(sandbox.id, OWNER)).time == pytest.approx(w.clock.now())
        assert (await w.manager.get(sandbox.id, OWNER)).expires_at == expires, "no use of it"
        await w.manager.stop(sandbox.id, OWNER)
        assert w.manager.last_stats(sandbox.id) is None
