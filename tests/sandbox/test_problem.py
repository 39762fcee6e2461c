"""What is kept of the error that a sandbox failed with."""

from __future__ import annotations

import json

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import Problem, Status, to_json
from orkee_jupyter.sandbox.problem import LINE, LINES, hide, problem_of
from orkee_jupyter.store.rows import COLUMNS, from_row, to_row
from tests.fakes.clock import settle
from tests.sandbox.world import OWNER, World, error_of, world


async def failed(w: World, **fields: object) -> Problem:
    """Return the problem of a create that fails."""
    await error_of(w.create(**fields))
    assert w.rows[-1].problem is not None
    return w.rows[-1].problem


@pytest.mark.asyncio
async def test_a_command_that_ends_at_once_is_kept_with_its_last_lines() -> None:
    async with world() as w:
        problem = await failed(w, command=("sh", "-c", "echo starting; exit 3"))
    assert (problem.code, problem.lines) == ("command_exited", ("starting",))
    assert "3" in problem.detail
    assert problem.remedy


@pytest.mark.asyncio
async def test_an_unknown_image_is_kept_without_lines() -> None:
    async with world() as w:
        problem = await failed(w, image="nope:1")
        shown = to_json(w.rows[-1])["problem"]
    assert (problem.code, problem.lines) == ("unknown_image", ())
    assert shown == json.loads(json.dumps(shown)) == problem.to_json()


@pytest.mark.asyncio
async def test_a_broken_limit_is_kept_with_the_logs_end() -> None:
    async with world() as w:
        sandbox = await w.create(command=("sh", "-c", "echo growing; sleep 60"), timeout=5)
        await w.clock.advance(20)
        row = await w.manager.get(sandbox.id, OWNER)
    assert row.status is Status.FAILED
    assert row.problem is not None
    assert (row.problem.code, row.problem.lines) == ("limit_exceeded", ("growing",))


@pytest.mark.asyncio
async def test_no_other_end_has_a_problem() -> None:
    async with world() as w:
        sandbox = await w.create()
        assert (await w.manager.stop(sandbox.id, OWNER)).problem is None


@pytest.mark.asyncio
async def test_values_of_the_environment_are_in_no_problem_and_no_reason() -> None:
    async with world() as w:
        env = {"DB_PASSWORD": "p4s", "LONG": "a-long-value", "PEM_KEY": "first\nsecond-line"}
        command = ("sh", "-c", "echo p4s a-long-value second-line; exit 1")
        await failed(w, command=command, env=env)
        kept = repr(w.rows[-1].problem) + repr(w.rows[-1].reason)
    for secret in ("p4s", "a-long-value", "second-line"):
        assert secret not in kept
    assert "[DB_PASSWORD] [LONG] [PEM_KEY]" in kept


def test_short_values_of_harmless_names_stay() -> None:
    env = {"DEBUG": "1", "MODE": "node", "EMPTY_TOKEN": ""}
    assert hide("1 node", env) == "1 node"


def test_lines_are_bounded_and_those_of_the_error_come_first() -> None:
    lines = ["x" * 900] * 50
    problem = problem_of(OrkeeError("setup_failed", "No.", details={"lines": lines}), {}, ["log"])
    assert len(problem.lines) == LINES
    assert {len(line) for line in problem.lines} == {LINE}
    assert problem_of(OrkeeError("setup_failed", "No."), {}, ["log"]).lines == ("log",)


@pytest.mark.asyncio
async def test_a_problem_is_kept_with_the_row_and_old_rows_have_none() -> None:
    async with world() as w:
        await failed(w, image="nope:1")
        row = w.rows[-1]
    values = to_row(row)
    assert from_row(tuple(values[name] for name in COLUMNS)).problem == row.problem
    old = json.loads(values["metadata"])
    del old["problem"]
    values["metadata"] = json.dumps(old)
    assert from_row(tuple(values[name] for name in COLUMNS)).problem is None
    await settle()
