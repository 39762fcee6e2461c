"""Secrets: in memory and in the container, and nowhere else."""

from __future__ import annotations

import json

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import CreateRequest, ExecRequest, Sandbox, Status, to_json
from orkee_jupyter.sandbox.requests import decode_create
from orkee_jupyter.store.rows import COLUMNS, from_row, to_row
from tests.fakes.history import FakeHistory
from tests.fakes.store import FakeStore
from tests.sandbox.world import OWNER, World, error_of, world

pytestmark = pytest.mark.asyncio
VALUE = "hunter2-and-more"
SECRETS = {"PASS": VALUE}


async def now(w: World, sandbox: Sandbox) -> Sandbox:
    return await w.manager.get(sandbox.id, OWNER)


async def test_a_secret_goes_to_the_daemon_and_into_no_row_and_answer() -> None:
    async with world() as w:
        sandbox = await w.create(secrets=SECRETS, env={"A": "b"})
        assert w.daemon(sandbox).secrets == SECRETS
        assert w.daemon(sandbox).started is not None
        assert VALUE not in repr(w.daemon(sandbox).started)
        row = w.store.rows[sandbox.id]
        assert row.secrets == ("PASS",)
        assert to_json(row)["secrets"] == ["PASS"]
        for shown in (repr(row), json.dumps(to_row(row)), repr(CreateRequest(secrets=SECRETS))):
            assert VALUE not in shown
        kept = to_row(row)
        assert from_row(tuple(kept[name] for name in COLUMNS)).secrets == ("PASS",)


async def test_a_resume_and_a_fork_have_them_again() -> None:
    async with world() as w:
        sandbox = await w.create(secrets=SECRETS)
        await w.manager.pause(sandbox.id, OWNER)
        await w.manager.resume(sandbox.id, OWNER)
        assert w.daemon(sandbox).secrets == SECRETS
        copy = await w.manager.fork(sandbox.id, "copy", OWNER)
        assert w.daemon(copy).secrets == SECRETS


async def test_another_server_asks_for_them_and_takes_them() -> None:
    store = FakeStore()
    async with world(store) as w:
        sandbox = await w.create(secrets={**SECRETS, "OTHER": "x" * 9})
    async with world(store) as later:
        error = await error_of(later.manager.resume(sandbox.id, OWNER))
        assert (error.code, error.details["names"]) == ("secret_missing", ["PASS", "OTHER"])
        assert "--secret PASS --secret OTHER" in error.remedy
        assert (await now(later, sandbox)).status is Status.PAUSED
        part = later.manager.resume(sandbox.id, OWNER, secrets=SECRETS)
        assert (await error_of(part)).details["names"] == ["OTHER"]
        given = {**SECRETS, "OTHER": "new value"}
        await later.manager.resume(sandbox.id, OWNER, secrets=given)
        assert later.daemon(sandbox).secrets == given


async def test_a_secret_that_it_was_not_made_with_is_refused() -> None:
    async with world() as w:
        sandbox = await w.create(secrets=SECRETS)
        await w.manager.pause(sandbox.id, OWNER)
        error = await error_of(w.manager.resume(sandbox.id, OWNER, secrets={"PAS": VALUE}))
        assert (error.code, "PASS" in error.remedy) == ("invalid_request", True)
        assert VALUE not in str(error)


async def test_no_secret_stands_in_what_is_kept_of_a_command_or_a_failure() -> None:
    history = FakeHistory()
    async with world(history=history) as w:
        sandbox = await w.create(secrets=SECRETS)
        stream = await w.manager.exec(sandbox.id, ExecRequest(("echo", f"x{VALUE}")), OWNER)
        await stream.close()
        await w.manager.pause(sandbox.id, OWNER)
        w.points.fail("engine.start", OrkeeError("engine_failed", f"It said {VALUE}."))
        await error_of(w.manager.resume(sandbox.id, OWNER))
        assert (await now(w, sandbox)).reason == "It said [PASS]."
        await w.clock.advance(2)
        everything = repr((history.kept, history.execs, w.store.rows, w.published))
        assert "[PASS]" in everything
        assert VALUE not in everything


@pytest.mark.parametrize("given", [{"A": ""}, {"": "x"}, {"A=B": "x"}, {"A": 1}, ["A"], "A"])
async def test_what_is_no_secret_is_refused_without_its_value(given: object) -> None:
    async def decode() -> object:
        return decode_create({"secrets": given})

    assert (await error_of(decode())).code == "invalid_request"
