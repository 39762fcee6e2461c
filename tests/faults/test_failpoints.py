"""Each named step of create, stop, pause and resume: it fails, or the server dies at it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from orkee_jupyter.client import OrkeeError
from tests.integration.processes import until
from tests.integration.world import World

from .scene import Scene, Start
from .table import Row

pytestmark = [pytest.mark.faults, pytest.mark.engine, pytest.mark.slow, pytest.mark.native]

_UP = ("create.engine", "create.link", "create.container", "create.daemon", "create.command")
#: The steps of each verb. The scene has made a sandbox before: a create is the second one.
VERBS: dict[str, tuple[str, ...]] = {
    "create": ("row.creating", "create.row", *_UP, "row.active", "create.active"),
    "pause": ("row.paused", "end.commands", "end.container", "end.link"),
    "resume": (*_UP, "row.active", "create.active"),
    "failure": ("row.failed",),
    "stop": ("end.commands", "end.container", "end.workspace", "end.link", "row.terminated"),
}
_SECOND = {"create", "resume"}  # verbs whose steps the scene has come by once
#: The statuses that the kept sandbox may have afterwards: what was before, or what was wanted.
_STATUSES = {
    "create": {"error": {"active"}, "abort": {"paused"}},
    "failure": {"error": {"active"}, "abort": {"paused"}},
    "pause": {"error": {"paused"}, "abort": {"paused"}},
    "resume": {"error": {"paused"}, "abort": {"paused"}},
    "stop": {"error": {"terminated"}, "abort": {"terminated"}},
}
_PROMISES = {
    "error": "the call fails or the rest is done; all rows are true, nothing is left",
    "abort": "after a restart all rows are true, nothing is left, the files are there",
}
_QUICK = {("create", "create.container", "abort"), ("stop", "end.container", "abort")}


def _cases() -> Iterator[object]:
    for verb, steps in VERBS.items():
        for step in steps:
            for action in ("error", "abort"):
                marks = [pytest.mark.quick] if (verb, step, action) in _QUICK else []
                yield pytest.param(verb, step, action, id=f"{verb}, {step}, {action}", marks=marks)


def _call(scene: Scene, verb: str) -> str:
    """Do what the failpoint lies in; return how it went."""
    try:
        if verb == "create":
            return scene.client.create("debian", name="made").status
        if verb == "failure":
            return scene.client.create("debian", command=["false"]).status
        if verb == "resume":
            scene.kept.pause()
        getattr(scene.kept, verb)()
        return scene.kept.status
    except OrkeeError as error:
        return error.code


@pytest.mark.parametrize(("verb", "step", "action"), list(_cases()))
@pytest.mark.timeout(240)
def test_a_step_that_fails_or_is_the_last_leaves_nothing(
    world: World, own_server: Start, row: Row, verb: str, step: str, action: str
) -> None:
    row.fault, row.moment, row.promise = f"{action} at `{step}`", verb, _PROMISES[action]
    times = 2 if verb in _SECOND else 1
    scene = Scene(world, own_server, env={"ORKEE_FAILPOINTS": f"{step}={action}@{times}"})
    went = _call(scene, verb)
    if action == "abort":
        assert went == "server_unreachable"
        assert scene.server.wait() == -signal.SIGKILL, "the step was reached"
        scene.restart()
    until(lambda: scene.kept.refresh().status in _STATUSES[verb][action], 20, what="the status")
    row.seen = f"{scene.aftermath()}; the call: {went}"
