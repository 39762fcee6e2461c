"""Network policies: what they are, and that no command starts before one holds."""

from __future__ import annotations

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import Status
from orkee_jupyter.sandbox.network import hosts_of, parse_network
from tests.sandbox.world import OWNER, error_of, world

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    ("given", "kept", "hosts"),
    [
        ("full", "full", None),
        (" NONE ", "none", []),
        ("allow:pypi.org", "allow:pypi.org", ["pypi.org"]),
        ("allow:A.b, 192.0.2.1,192.0.2.0/24,a.b", "allow:a.b,192.0.2.1,192.0.2.0/24",
         ["a.b", "192.0.2.1", "192.0.2.0/24"]),
    ],
)  # fmt: skip
async def test_a_policy_is_kept_in_one_form(given: str, kept: str, hosts: list[str] | None) -> None:
    assert parse_network(given) == kept
    assert hosts_of(kept) == hosts


@pytest.mark.parametrize(
    "given",
    ["", "some", "allow", "allow:", "allow:a b", "allow:-a", "allow:a..b", "allow:::1", 1, None,
     "allow:a,", "allow:http://a", "allow:" + ",".join(f"h{n}.a" for n in range(33)),
     "allow:a;iptables -F", "allow:a\nb"],
)  # fmt: skip
async def test_what_is_no_policy_is_refused(given: object) -> None:
    async def parse() -> object:
        return parse_network(given)

    assert (await error_of(parse())).code == "invalid_request"


async def test_a_policy_holds_before_the_command_starts_and_after_a_resume() -> None:
    async with world() as w:
        sandbox = await w.create(network="allow:a.b", command=("sleep", "60"))
        assert w.engine.policed == {sandbox.id: ["a.b"]}
        assert w.points.calls.index("engine.police") < w.points.calls.index("daemon.start")
        w.engine.policed.clear()
        await w.manager.pause(sandbox.id, OWNER)
        await w.manager.resume(sandbox.id, OWNER)
        assert w.engine.policed == {sandbox.id: ["a.b"]}
        copy = await w.manager.fork(sandbox.id, None, OWNER)
        assert copy.network == "allow:a.b"


@pytest.mark.parametrize("code", ["network_policy_unsupported", "engine_failed"])
async def test_where_it_can_not_hold_there_is_no_sandbox(code: str) -> None:
    async with world() as w:
        w.engine.polices = code != "network_policy_unsupported"
        if code == "engine_failed":
            w.points.fail("engine.police", OrkeeError(code, "It has no iptables."))
        assert (await error_of(w.create(network="none", command=("sleep", "9")))).code == code
        assert "daemon.start" not in w.points.calls
        assert [row.status for row in w.rows] == [Status.FAILED]
        w.assert_nothing_left()


async def test_a_snapshot_keeps_the_policy() -> None:
    async with world() as w:
        sandbox = await w.create(network="none")
        await w.manager.snapshot(sandbox.id, "kept", OWNER)
        again = await w.create(template="", snapshot="kept")
        assert (again.network, w.engine.policed[again.id]) == ("none", [])
        other = await w.create(template="", snapshot="kept", network="full")
        assert other.network == "full"


async def test_without_a_policy_the_engine_is_not_asked() -> None:
    async with world() as w:
        w.engine.polices = False
        assert (await w.create()).network == "full"
