"""Every step of a verb takes its time: the row is true all the while, and the call succeeds."""

from __future__ import annotations

import threading
import time

import pytest

from orkee_jupyter.sandbox.failpoint import DELAY
from tests.integration.world import World

from .scene import Scene, Start
from .table import Row
from .verbs import VERBS, call, frozen_groups, require_for, times

pytestmark = [pytest.mark.faults, pytest.mark.engine, pytest.mark.slow, pytest.mark.native]
#: What a row says before, while and after a verb is under way, in this order.
_COURSES = {
    "create": ["creating", "active"],
    "failure": ["creating", "failed"],
    "fork": ["creating", "active"],
    "pause": ["active", "paused"],
    "freeze": ["active", "paused"],
    "resume": ["active", "paused", "active"],
    "thaw": ["active", "paused", "active"],
    "snapshot": ["active"],
    "stop": ["active", "terminated"],
}
_OF_ANOTHER = ("create", "failure", "fork")  # verbs that make a sandbox
_QUICK = ("create",)


def watch(scene: Scene, verb: str, under_way: threading.Thread) -> tuple[list[str], set[str]]:
    """Follow the row until the call is over; return the statuses in order, and the steps."""
    course = [] if verb in _OF_ANOTHER else ["active"]
    steps: set[str] = set()
    last = False
    while not last:
        last = not under_way.is_alive()  # one look more, when all is done
        rows = {row["id"] == scene.kept.id: row for row in scene.server.rows()}
        row = rows.get(verb not in _OF_ANOTHER)
        if row is not None:
            steps.add(str(row["step"]))
            if course[-1:] != [row["status"]]:
                course.append(row["status"])
        time.sleep(0.02)  # leave the machine to what is watched
    return course, steps


@pytest.mark.parametrize(
    "verb", [pytest.param(verb, marks=[pytest.mark.quick] * (verb in _QUICK)) for verb in VERBS]
)
@pytest.mark.timeout(240)
def test_a_verb_whose_every_step_is_late_goes_on(
    world: World, own_server: Start, row: Row, verb: str
) -> None:
    steps = VERBS[verb]
    row.fault, row.moment = f"delay of {DELAY:g} s at each of {', '.join(steps)}", verb
    row.promise = "the call succeeds, the row is true and the server answers all the while"
    require_for(verb, world)
    points = ";".join(f"{step}=delay@{times(step)}" for step in steps)
    scene = Scene(world, own_server, env={"ORKEE_FAILPOINTS": points})
    went: list[str] = []
    under_way = threading.Thread(target=lambda: went.append(call(scene, verb)))
    began = time.monotonic()
    under_way.start()
    course, said = watch(scene, verb, under_way)
    took = time.monotonic() - began
    assert took >= DELAY * len(steps), "each step was reached"
    assert course == _COURSES[verb]
    assert went == ["command_exited" if verb == "failure" else _end(scene, verb)]
    if verb == "stop":
        assert "stopping" in said
    row.seen = f"{took:.1f} s: {', '.join(course)}; {_aftermath(scene, verb)}"


def _end(scene: Scene, verb: str) -> str:
    return "shot" if verb == "snapshot" else _COURSES[verb][-1]


def _aftermath(scene: Scene, verb: str) -> str:
    if verb == "snapshot":
        scene.client.remove_snapshot("shot")
    seen = scene.aftermath()
    assert frozen_groups(scene) == []
    return seen
