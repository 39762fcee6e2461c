"""Links: what runs is reached by its name, again after it was away, and by its own user alone."""

from __future__ import annotations

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import ExecRequest, Status
from orkee_jupyter.sandbox.network import parse_links
from tests.sandbox.world import OWNER, error_of, world

pytestmark = pytest.mark.asyncio


async def test_names_are_taken_once_each() -> None:
    assert parse_links(["db", "cache", "db"]) == ("db", "cache")
    assert parse_links([]) == ()


@pytest.mark.parametrize(
    "given", ["db", {"db": 1}, [1], ["a b"], [""], ["0" * 32], ["localhost"], ["a\n1.2.3.4 b"],
              [f"n{number}" for number in range(33)], None],
)  # fmt: skip
async def test_what_names_no_sandbox_is_refused(given: object) -> None:
    async def parse() -> object:
        return parse_links(given)

    assert (await error_of(parse())).code == "invalid_request"


async def test_it_is_linked_before_its_command_starts() -> None:
    async with world() as w:
        db = await w.create(name="db")
        web = await w.create(links=("db",), command=("sleep", "60"))
        assert w.engine.linked == {(web.id, "db"): db.id}
        calls = w.points.calls
        assert calls.index("engine.link") < len(calls) - 1 - calls[::-1].index("daemon.start")


async def test_who_is_away_is_reached_again_and_may_be_another() -> None:
    async with world() as w:
        db = await w.create(name="db")
        web = await w.create(name="web", links=("db",))
        await w.manager.pause(db.id, OWNER)
        await w.manager.pause(web.id, OWNER)
        w.engine.linked.clear()
        await w.manager.resume(web.id, OWNER)
        assert w.engine.linked == {(web.id, "db"): None}, "the name is known even so"
        await w.manager.resume(db.id, OWNER)
        assert w.engine.linked == {(web.id, "db"): db.id}
        await w.manager.stop(db.id, OWNER)
        other = await w.create(name="db")
        assert w.engine.linked == {(web.id, "db"): other.id}


async def test_only_what_runs_and_is_ones_own_can_be_linked_to() -> None:
    async with world() as w:
        await w.create(owner="other", name="theirs")
        assert (await error_of(w.create(links=("theirs",)))).code == "sandbox_not_found"
        paused = await w.create(name="paused")
        await w.manager.pause(paused.id, OWNER)
        assert (await error_of(w.create(links=("paused",)))).code == "sandbox_not_active"
        error = await error_of(w.create(name="me", links=("me",)))
        assert (error.code, "itself" in error.cause) == ("invalid_request", True)
        theirs = await w.create(owner="other", name="web", links=("theirs",))
        await w.create(name="theirs")
        assert len(w.engine.linked) == 1
        assert w.engine.linked[theirs.id, "theirs"] is not None, "of two of a name one's own"


async def test_where_it_can_not_be_there_is_no_sandbox() -> None:
    async with world() as w:
        db = await w.create(name="db")
        w.engine.links = False
        assert (await error_of(w.create(links=("db",)))).code == "links_unsupported"
        assert [row.status for row in w.rows if row.id != db.id] == [Status.FAILED]


async def test_what_fails_for_another_one_is_not_this_ones_fault() -> None:
    async with world() as w:
        db = await w.create(name="db")
        web = await w.create(name="web", links=("db",))
        await w.manager.pause(db.id, OWNER)
        w.points.fail("engine.link", OrkeeError("engine_failed", "There is no wire."))
        assert (await w.manager.resume(db.id, OWNER)).status is Status.ACTIVE
        told = await w.manager.events(web.id, OWNER)
        assert any("There is no wire" in each.text for each in told), told


async def test_forks_and_snapshots_have_the_links_too() -> None:
    async with world() as w:
        await w.create(name="db")
        web = await w.create(name="web", links=("db",))
        assert (await w.manager.fork(web.id, None, OWNER)).links == ("db",)
        await w.manager.snapshot(web.id, "kept", OWNER)
        assert (await w.create(template="", snapshot="kept")).links == ("db",)
        assert (await w.create(template="", snapshot="kept", links=())).links == ()


async def test_what_others_are_linked_to_lives_as_long_as_they_are_used() -> None:
    async with world() as w:
        db = await w.create(name="db", ttl=400)
        web = await w.create(name="web", links=("db",), ttl=4000)
        ring = await w.create(name="ring", links=("web",), ttl=4000)
        for _ in range(4):
            await w.clock.advance(250)
            stream = await w.manager.exec(ring.id, ExecRequest(("true",)), OWNER)
            await stream.exit()
            await stream.close()
        assert (await w.manager.get(db.id, OWNER)).status is Status.ACTIVE
        await w.clock.advance(800)
        assert (await w.manager.get(db.id, OWNER)).status is Status.TERMINATED
        assert (await w.manager.get(web.id, OWNER)).status is Status.ACTIVE


async def test_one_that_is_lost_just_now_fails_nobody_elses_create() -> None:
    async with world() as w:
        db = await w.create(name="db")
        w.engine.running.pop(db.id)  # and nobody has noticed
        web = await w.create(name="web", links=("db",))
        assert (web.status, w.engine.linked) == (Status.ACTIVE, {(web.id, "db"): None})
