"""Limits at create and what a sandbox uses, over a real connection."""

from __future__ import annotations

import asyncio

import pytest

from orkee_jupyter.client import AsyncSandbox, OrkeeError, Sandbox

from .stub_server import StubServer
from .stub_stats import STATS


def test_limits_go_with_the_create(stub: StubServer) -> None:
    Sandbox.create("node", memory="256m", cpus=1.5, timeout="30m")
    Sandbox.create("node")
    bodies = [body for method, _, body in stub.requests if method == "POST"]
    assert bodies[0]["limits"] == {"memory": "256m", "cpus": 1.5}
    assert bodies[0]["timeout"] == "30m"
    assert not {"limits", "timeout"} & set(bodies[1])


def test_a_sandbox_says_what_it_may_use_and_used_last(stub: StubServer) -> None:
    limits = {"memory": 256 << 20, "cpus": None, "pids": 100}
    enforced = {"memory": "outside", "pids": "inside"}
    stub.add(name="web", limits=limits, enforced=enforced, timeout=90, stats=STATS)
    sandbox = Sandbox.get("web")
    assert (sandbox.limits.memory, sandbox.limits.cpus, sandbox.limits.pids) == (
        256 << 20,
        None,
        100,
    )
    assert (sandbox.enforced, sandbox.timeout) == (enforced, 90)
    assert sandbox.last_stats is not None
    assert sandbox.last_stats.to_json() == STATS


def test_stats_have_words_for_people(stub: StubServer) -> None:
    stub.add(name="web", limits={"memory": 256 << 20, "cpus": 1.5, "pids": 100})
    sandbox = Sandbox.get("web")
    words = sandbox.stats().words(sandbox.limits)
    assert words["MEMORY"] == "64 MiB of 256 MiB"
    assert (words["CPU"], words["THREADS"]) == ("12.5 % of 150 %", "5 of 100")


def test_stats_are_followed_to_the_end(stub: StubServer) -> None:
    stub.add(name="web")
    assert [used.time for used in Sandbox.get("web").follow_stats(0.2)] == [0, 1, 2]

    async def run() -> list[float]:
        sandbox = await AsyncSandbox.get("web")
        assert (await sandbox.stats()).processes == 2
        return [used.time async for used in sandbox.follow_stats()]

    assert asyncio.run(run()) == [0, 1, 2]
    assert any("interval=0.2" in path for _, path, _ in stub.requests)


def test_stats_of_no_sandbox_are_an_error(stub: StubServer) -> None:
    stub.add(name="web")
    sandbox = Sandbox.get("web")
    stub.sandboxes.clear()
    with pytest.raises(OrkeeError) as caught:
        sandbox.stats()
    assert caught.value.code == "sandbox_not_found"
