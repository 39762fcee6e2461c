"""Each step of the migrations: it fails, or the process dies at it; then all is run again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from orkee_jupyter.sandbox import failpoint
from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.store import migrate
from tests.faults.verbs import VERBS

from .processes import ROOT

pytestmark = pytest.mark.slow
NEWEST = len(migrate.load())
_UP = """
import sys, duckdb
from orkee_jupyter.store import migrate
migrate.up(duckdb.connect(sys.argv[1]))
"""
_STEPS = [step for step in failpoint.STEPS if step.startswith("migrate.")]


def _migrate(path: Path, points: str) -> int:
    env = os.environ | {failpoint.VARIABLE: points}
    command = [sys.executable, "-c", _UP, str(path)]
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, timeout=60).returncode


@pytest.mark.parametrize("action", ["error", "abort"])
@pytest.mark.parametrize("step", _STEPS)
@pytest.mark.parametrize("at", range(1, NEWEST + 1))
def test_a_migration_that_is_cut_off_is_all_or_nothing(
    tmp_path: Path, step: str, action: str, at: int
) -> None:
    path = tmp_path / "s.duckdb"
    assert _migrate(path, f"{step}={action}@{at}") == (1 if action == "error" else -9)
    with duckdb.connect(str(path)) as connection:
        assert migrate.version(connection) == (at if step == "migrate.commit" else at - 1)
        tables = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'sandbox_sessions'"
        made = connection.execute(tables).fetchall()[0][0]
        assert bool(made) == bool(migrate.version(connection))
    assert _migrate(path, "") == 0
    with duckdb.connect(str(path)) as connection:
        assert migrate.version(connection) == NEWEST
        assert connection.execute("SELECT count(*) FROM sandbox_sessions").fetchall() == [(0,)]


def test_a_migration_whose_every_step_is_late_goes_on(tmp_path: Path) -> None:
    path, began = tmp_path / "s.duckdb", time.monotonic()
    assert _migrate(path, ";".join(f"{step}=delay" for step in _STEPS)) == 0
    assert time.monotonic() - began >= failpoint.DELAY * len(_STEPS)
    with duckdb.connect(str(path)) as connection:
        assert migrate.version(connection) == NEWEST


@pytest.mark.parametrize(
    "text", ["nowhere=error", "row.active=laugh", "row.active", "row.active=error@y"]
)
def test_what_is_no_failpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no step|invalid literal"):
        failpoint.parse(text)


def test_every_step_is_in_the_code_and_walked() -> None:
    sources = [*(ROOT / "orkee_jupyter").rglob("*.py")]
    code = "".join(path.read_text() for path in sources if path.name != "failpoint.py")
    named = set(re.findall(r'failpoint\.reach(?:_in_thread)?\("([a-z.]+)"\)', code))
    by_pattern = {step for step in failpoint.STEPS if step.startswith(("row.", "end."))}
    assert named | by_pattern == set(failpoint.STEPS)
    assert {step for steps in VERBS.values() for step in steps} | set(_STEPS) == set(
        failpoint.STEPS
    )


async def _passed(step: str) -> str:
    try:
        await failpoint.reach(step)
    except OrkeeError as error:
        return error.code
    return "passed"


@pytest.mark.asyncio
async def test_a_failpoint_is_off_unless_asked_for_and_fires_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await _passed("row.active") == "passed"
    monkeypatch.setattr(failpoint, "_armed", failpoint.parse("row.active=error@2; end.link=error"))
    told = [await _passed("row.active") for _ in range(3)]
    assert told == ["passed", "internal", "passed"]
    assert await _passed("row.paused") == "passed"


@pytest.mark.asyncio
async def test_a_delay_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failpoint, "_armed", failpoint.parse("row.active=delay;end.link=delay"))
    monkeypatch.setattr(failpoint, "DELAY", 0.05)
    assert await _passed("row.active") == "passed"
    failpoint.reach_in_thread("end.link")
    assert {point.left for point in failpoint._armed.values()} == {0}
