"""Creations that nobody waits for."""

from __future__ import annotations

import asyncio

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import Sandbox, Status
from tests.fakes.clock import settle
from tests.sandbox.world import OWNER, error_of, world

pytestmark = pytest.mark.asyncio


async def test_the_row_comes_at_once_and_the_creation_goes_on() -> None:
    async with world() as w:
        gate = w.points.block("engine.start")
        sandbox = await w.create(wait=False)
        assert sandbox.status is Status.CREATING
        assert sandbox.id in w.store.rows
        await w.points.reached("engine.start")
        gate.set()
        await settle()
        assert (await w.manager.get(sandbox.id, OWNER)).status is Status.ACTIVE


async def test_a_caller_that_goes_away_changes_nothing() -> None:
    async with world() as w:
        creating = asyncio.create_task(w.create(name="web", wait=False))
        await asyncio.sleep(0)
        creating.cancel()
        await settle()
        assert (await w.manager.get("web", OWNER)).status is Status.ACTIVE


async def test_its_failure_is_with_the_row() -> None:
    async with world() as w:
        sandbox = await w.create(wait=False, image="nope:1")
        await settle()
        row = await w.manager.get(sandbox.id, OWNER)
        assert row.status is Status.FAILED
        assert row.problem is not None
        assert row.problem.code == "unknown_image"
        w.assert_nothing_left()


async def test_what_is_wrong_with_the_request_is_raised() -> None:
    async with world() as w:
        await w.create(name="web", wait=False)
        assert (await error_of(w.create(name="web", wait=False))).code == "name_taken"


async def test_a_row_that_cannot_be_written_is_raised() -> None:
    async with world() as w:
        w.store.failures["insert"] = OrkeeError("store_failed", "No.")
        assert (await error_of(w.create(wait=False))).code == "store_failed"
        assert w.rows == []


async def test_steps_are_published_as_they_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world() as w:
        steps: list[str | None] = []

        def note(sandbox: Sandbox) -> None:
            steps.append(w.manager.step(sandbox.id))

        monkeypatch.setattr(w.manager._registry, "_publish", note)
        await w.create()
        assert "pulling node:18-alpine" in steps
        assert steps[-1] is None
