"""How fast the kernel publishes for all its dashboards together, by a clock of the test's own."""

from __future__ import annotations

import asyncio

import pytest

from orkee_jupyter.widget.limiter import Limiter

pytestmark = pytest.mark.asyncio

WINDOW = 3.0  # seconds over which a Jupyter server counts
SERVER_BYTES, SERVER_MESSAGES = 1_000_000, 1_000  # a second


class Time:
    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


async def flood(size: int, seconds: float) -> list[tuple[float, int]]:
    """Send messages of a size for so long, and return when each went."""
    time = Time()
    limiter = Limiter(time.clock, time.sleep)
    sent: list[tuple[float, int]] = []

    def make() -> int:
        sent.append((time.now, size))
        return size

    while time.now < seconds:
        await limiter.send(make)
        time.now += 1e-5
    return sent


@pytest.mark.parametrize("size", [1, 500, 2_000, 5_000, 64_000, 96_000, 500_000])
async def test_no_window_of_the_server_sees_more_than_its_limits(size: int) -> None:
    sent = await flood(size, 12)
    for index, (begin, _) in enumerate(sent):
        if index % 7 and index > 500:
            continue
        window = [s for at, s in sent[index:] if at < begin + WINDOW]
        assert len(window) <= 0.4 * SERVER_MESSAGES * WINDOW
        assert sum(window) <= 0.9 * SERVER_BYTES * WINDOW


async def test_the_rate_is_used() -> None:
    sent = await flood(64_000, 20)
    assert sum(size for _, size in sent) > 0.95 * (1_000_000 + 20 * 400_000)
    sent = await flood(1, 20)
    assert len(sent) > 0.95 * (300 + 20 * 200)


async def test_a_burst_goes_at_once() -> None:
    time = Time()
    limiter = Limiter(time.clock, time.sleep)
    for _ in range(200):
        await limiter.send(lambda: 4_000)
    assert time.slept == []


async def test_nothing_sent_costs_nothing() -> None:
    time = Time()
    limiter = Limiter(time.clock, time.sleep)
    for _ in range(1000):
        await limiter.send(lambda: 0)
    assert time.slept == []


async def test_senders_take_turns_when_there_is_little_left() -> None:
    time = Time()
    limiter = Limiter(time.clock, time.sleep)
    await limiter.send(lambda: 1_500_000)
    order: list[str] = []

    async def sender(name: str) -> None:
        def make() -> int:
            order.append(name)
            return 600_000

        for _ in range(3):
            await limiter.send(make)

    await asyncio.gather(sender("a"), sender("b"))
    assert order == ["a", "b"] * 3
