"""The loop-lag watchdog finds what keeps the loop."""

from __future__ import annotations

import asyncio
import time

import pytest

from orkee_jupyter.server.watchdog import LoopLag

pytestmark = pytest.mark.asyncio


def a_culprit() -> None:
    time.sleep(0.5)


async def test_a_kept_loop_is_measured_and_its_culprit_named() -> None:
    async with LoopLag(max=0.05) as lag:
        await asyncio.sleep(0.03)
        a_culprit()
        await asyncio.sleep(0.03)
    assert lag.worst >= 0.1
    assert any("a_culprit" in each.stack for each in lag.stalls)


async def test_a_culprit_that_is_the_last_thing_is_seen_too() -> None:
    async with LoopLag(max=0.05) as lag:
        await asyncio.sleep(0.03)
        a_culprit()
    assert any("a_culprit" in each.stack for each in lag.stalls)


async def test_a_free_loop_has_no_stalls() -> None:
    async with LoopLag(max=0.5) as lag:  # so long a virtual machine may stand still itself
        await asyncio.sleep(0.2)
    assert lag.stalls == []
    assert lag.worst <= 0.5


async def test_it_can_be_stopped_twice_and_used_again() -> None:
    lag = LoopLag()
    for _ in range(2):
        lag.start()
        await lag.stop()
        await lag.stop()


async def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="not above 0"):
        LoopLag(max=0)
