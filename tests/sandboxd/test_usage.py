"""Limits and usage of the real sandboxd, over both links, and what a hostile one says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import ExecRequest, Limits
from orkee_jupyter.sandbox.usage import Usage
from orkee_jupyter.sandboxd.frames import ProtocolError
from orkee_jupyter.sandboxd.hub import Hub
from orkee_jupyter.sandboxd.usage import decode_breach, decode_limit, decode_usage

from .conftest import Run

#: Takes 200 MB at most.
HOG = ("sh", "-c", "head -c 200000000 /dev/zero | tail | wc -c")
TOLD: dict[str, Any] = {
    "uptime_ms": 1500, "cpu_ms": 250, "throttled_ms": 0, "memory": 5, "memory_peak": 6,
    "processes": 1, "threads": 2, "rx": 3, "tx": 4, "disk": None, "disk_whole": False,
}  # fmt: skip


@pytest.mark.asyncio
async def test_a_hog_ends_and_the_breach_is_told(hub: Hub, sandbox_id: str, run: Run) -> None:
    daemon = await run(hub, sandbox_id)
    await daemon.limit(Limits(memory=64 << 20))
    stream = await daemon.exec(ExecRequest(HOG))
    async with asyncio.timeout(30):
        assert (await stream.exit()).limit == "memory"
        assert await daemon.broken() == "memory"
    await stream.close()
    with pytest.raises(OrkeeError) as caught:
        await daemon.exec(ExecRequest(("true",)))
    assert caught.value.code == "limit_exceeded"


@pytest.mark.asyncio
async def test_limits_are_set_once(hub: Hub, sandbox_id: str, run: Run) -> None:
    daemon = await run(hub, sandbox_id)
    await daemon.limit(Limits(pids=1000))
    with pytest.raises(OrkeeError) as caught:
        await daemon.limit(Limits(pids=1000))
    assert caught.value.code == "internal"


@pytest.mark.asyncio
async def test_usage_is_told_when_asked_and_without(hub: Hub, sandbox_id: str, run: Run) -> None:
    daemon = await run(hub, sandbox_id)
    told: asyncio.Queue[Usage] = asyncio.Queue()
    daemon.on_usage(told.put_nowait)
    assert (await daemon.stats()).processes == 0
    async with asyncio.timeout(20):
        assert (await told.get()).uptime > 0


def test_usage_is_decoded() -> None:
    assert decode_usage(TOLD) == Usage(1.5, 0.25, 0.0, 5, 6, 1, 2, 3, 4, None, False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"memory": -1},
        {"cpu_ms": "5"},
        {"threads": 1.5},
        {"rx": 1 << 61},
        {"disk": -1},
        {"tx": None},
    ],
)
def test_usage_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        decode_usage(TOLD | wrong)


def test_only_known_limits_can_be_broken() -> None:
    assert decode_limit({}) is None
    assert decode_limit({"limit": "pids"}) == "pids"
    for kind in ("cpus", "", 5, None):
        with pytest.raises(ProtocolError):
            decode_breach({"kind": kind})
