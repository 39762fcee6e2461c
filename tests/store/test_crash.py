"""kill -9 in mid-write: whatever was acknowledged is there afterwards."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from orkee_jupyter.sandbox.model import Status
from tests.fakes.sandboxes import make_sandbox

from .conftest import Opener
from .processes import child

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]


def write_and_kill(path: Path, first: int, acknowledged: int) -> list[int]:
    with child("write", path, first) as process:
        assert process.stdout
        seen = [int(process.stdout.readline()) for _ in range(acknowledged)]
        process.kill()
        seen += [int(line) for line in process.stdout.read().split()]
    return seen


@pytest.mark.parametrize("seed", range(3))
async def test_acknowledged_rows_outlive_kill_9(
    path: Path, open_store: Opener, notices: list[str], seed: int
) -> None:
    chance = random.Random(seed)
    seen: list[int] = []
    for turn in range(3):
        seen += write_and_kill(path, 1000 * turn, chance.randint(2, 25))
    store = await open_store()
    assert store.path == path
    for number in seen:
        row = await store.get(make_sandbox(number).id)
        assert row is not None
        assert (row.status, row.expires_at) == (Status.PAUSED, 2**40)
    assert notices == []
