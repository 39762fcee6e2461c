"""Limits from outside, as the supervisor's socket tells of them; needs no engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from orkee_jupyter.dagger.native import NativeEngine
from orkee_jupyter.sandbox.model import Limits

pytestmark = pytest.mark.asyncio
ID = "ab" * 16
LIMITS = Limits(memory=1 << 28, cpus=1.5, pids=100)


class Supervisor:
    """Answers on a control socket what the test says."""

    def __init__(self) -> None:
        self.answer: Mapping[str, Any] = {"ok": True, "kinds": ["memory", "cpu"]}
        self.usage: Mapping[str, Any] = {"throttled": 1.5}
        self.asked: dict[str, Any] = {}
        self.gone = asyncio.Event()
        self.writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.asked = json.loads(await reader.readline())
        self.say(self.answer)
        while await reader.readline():
            self.say(self.usage)
        self.gone.set()
        writer.close()

    def say(self, value: Mapping[str, Any]) -> None:
        assert self.writer is not None
        self.writer.write(json.dumps(value).encode() + b"\n")


@pytest_asyncio.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    made = Supervisor()
    server = await asyncio.start_unix_server(made.serve, tmp_path / "control.sock")
    yield made
    server.close()
    await server.wait_closed()


@pytest.fixture
def engine(tmp_path: Path) -> NativeEngine:
    return NativeEngine(engine_dir=tmp_path / "engine", socket_dir=tmp_path)


async def test_limits_are_asked_for_and_hold_until_released(
    engine: NativeEngine, supervisor: Supervisor
) -> None:
    guard = await engine.limit(ID, LIMITS)
    assert guard is not None
    assert guard.kinds == {"memory", "cpus"}
    assert supervisor.asked == {
        "op": "limit", "sandbox": ID, "memory": 1 << 28, "cpus": 1.5, "pids": 100,
    }  # fmt: skip
    counted = await guard.counted()
    assert (counted.breach, counted.throttled) == (None, 1.5)
    assert not supervisor.gone.is_set()
    await guard.release()
    await guard.release()
    async with asyncio.timeout(5):
        await supervisor.gone.wait()


async def test_a_broken_limit_is_told_at_once(engine: NativeEngine, supervisor: Supervisor) -> None:
    guard = await engine.limit(ID, LIMITS)
    assert guard is not None
    supervisor.say({"breach": "memory", "memory": 5})
    async with asyncio.timeout(5):
        assert await guard.broken() == "memory"
    await guard.release()
    assert (await guard.counted()).breach == "memory", "the last that was known"


async def test_a_supervisor_that_goes_leaves_nobody_waiting(
    engine: NativeEngine, supervisor: Supervisor
) -> None:
    guard = await engine.limit(ID, LIMITS)
    assert guard is not None
    assert supervisor.writer is not None
    supervisor.writer.close()
    async with asyncio.timeout(5):
        assert (await guard.counted()).breach is None
    await guard.release()


@pytest.mark.parametrize(
    "answer", [{"ok": False, "error": "no cgroups"}, {"ok": True, "kinds": []}, {"ok": True}]
)
async def test_what_it_cannot_keep_is_left_to_others(
    engine: NativeEngine, supervisor: Supervisor, answer: Mapping[str, Any]
) -> None:
    supervisor.answer = answer
    assert await engine.limit(ID, LIMITS) is None


async def test_without_a_supervisor_there_are_no_limits_from_outside(engine: NativeEngine) -> None:
    assert await engine.limit(ID, LIMITS) is None
