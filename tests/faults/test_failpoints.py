"""Each named step of each verb: it fails, or the server dies at it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.integration.processes import until
from tests.integration.world import World

from .scene import Scene, Start
from .table import Row
from .verbs import (
    VERBS,
    assert_kept_whole_or_not_at_all,
    call,
    frozen_groups,
    require_for,
    times,
)

pytestmark = [pytest.mark.faults, pytest.mark.engine, pytest.mark.slow, pytest.mark.native]

#: The statuses that the kept sandbox may have after a verb that leaves it active, and others.
_LIVES = {"error": {"active"}, "abort": {"paused"}}
_STATUSES = {
    "freeze": {"error": {"active", "paused"}, "abort": {"paused"}},
    "thaw": {"error": {"active", "paused"}, "abort": {"paused"}},
    "pause": {"error": {"paused"}, "abort": {"paused"}},
    "resume": {"error": {"paused"}, "abort": {"paused"}},
    "stop": {"error": {"terminated"}, "abort": {"terminated"}},
}
_PROMISES = {
    "error": "the call fails or the rest is done; all rows are true, nothing is left",
    "abort": "after a restart all rows are true, nothing is left, the files are there",
}
_QUICK = {
    ("create", "create.container", "abort"),
    ("snapshot", "snapshot.archive", "abort"),
    ("stop", "end.container", "abort"),
}


def _cases() -> Iterator[object]:
    for verb, steps in VERBS.items():
        for step in steps:
            for action in ("error", "abort"):
                marks = [pytest.mark.quick] if (verb, step, action) in _QUICK else []
                yield pytest.param(verb, step, action, id=f"{verb}, {step}, {action}", marks=marks)


@pytest.mark.parametrize(("verb", "step", "action"), list(_cases()))
@pytest.mark.timeout(240)
def test_a_step_that_fails_or_is_the_last_leaves_nothing(
    world: World, own_server: Start, row: Row, verb: str, step: str, action: str
) -> None:
    row.fault, row.moment, row.promise = f"{action} at `{step}`", verb, _PROMISES[action]
    require_for(verb, world)
    scene = Scene(world, own_server, env={"ORKEE_FAILPOINTS": f"{step}={action}@{times(step)}"})
    went = call(scene, verb)
    if action == "abort":
        assert went == "server_unreachable"
        assert scene.server.wait() == -signal.SIGKILL, "the step was reached"
        scene.restart()
    statuses = _STATUSES.get(verb, _LIVES)[action]
    until(lambda: scene.kept.refresh().status in statuses, 20, what="the status")
    if verb == "snapshot":
        assert_kept_whole_or_not_at_all(scene, named=step == "snapshot.named")
    row.seen = f"{scene.aftermath()}; the call: {went}"
    assert frozen_groups(scene) == []
