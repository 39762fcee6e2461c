"""A workspace that is filled before the command starts, and caches that are cleaned around it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import CreateRequest, Status
from tests.sandbox.world import OWNER, error_of, world

pytestmark = pytest.mark.asyncio


async def pieces() -> AsyncIterator[bytes]:
    yield b"arch"
    yield b"ive"


async def broken() -> AsyncIterator[bytes]:
    yield b"arch"
    raise OrkeeError("file_forbidden", "x cannot be read.", "Change its mode.")


async def test_the_workspace_is_filled_before_the_command_starts() -> None:
    async with world() as w:
        request = CreateRequest(command=("sleep", "60"))
        sandbox = await w.manager.create(request, OWNER, w.progress.append, pieces)
        assert w.daemon(sandbox).contents == {".": b"archive"}
        filled = w.progress.index("copying the project folder")
        assert filled < w.progress.index("starting the command")


async def test_a_folder_that_cannot_be_read_fails_the_create_and_leaves_nothing() -> None:
    async with world() as w:
        error = await error_of(w.manager.create(CreateRequest(), OWNER, filling=broken))
        assert error.code == "file_forbidden"
        assert w.rows[0].status is Status.FAILED
        w.assert_nothing_left()


async def test_a_resume_does_not_fill_the_workspace_again() -> None:
    async with world() as w:
        sandbox = await w.manager.create(CreateRequest(), OWNER, filling=pieces)
        await w.manager.pause(sandbox.id, OWNER)
        await w.manager.resume(sandbox.id, OWNER)
        assert w.progress.count("copying the project folder") == 0
        assert w.daemon(sandbox).contents == {}


async def test_a_clean_of_the_cache_spares_what_is_active_or_paused() -> None:
    async with world() as w:
        active, paused = await w.create(), await w.create()
        await w.manager.pause(paused.id, OWNER)
        w.engine.workspaces.add("left behind")
        assert await w.manager.clean_engine_cache() == 1000
        assert w.engine.workspaces == {active.id, paused.id}
