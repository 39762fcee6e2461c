"""Each process is killed or held up, at each moment: nothing is lost, left or said wrongly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.integration.processes import kill, mentioning, session_of, until
from tests.integration.world import World

from .moments import MOMENTS, Create, InKernel, Moment, Push, QuickCreate
from .scene import SIGNALS, Scene, Start, inside, is_command, is_daemon
from .table import Row

pytestmark = [pytest.mark.faults, pytest.mark.engine, pytest.mark.slow, pytest.mark.native]
HOLD = 3.0  # seconds between SIGSTOP and SIGCONT

Find = Callable[[Scene, Moment], int]


@dataclass(frozen=True)
class Victim:
    """A process, how it is found, and what is promised if it is killed."""

    name: str
    find: Find
    status: str  # of the kept sandbox
    promise: str


def _engine(scene: Scene, moment: Moment) -> int:
    return int(str(scene.world.engine_status()["engine_pid"]))


def _kernel(scene: Scene, moment: Moment) -> int:
    assert isinstance(moment, InKernel)
    found = mentioning(f"kernel-{moment.kernel.id}.json")
    return next(pid for pid, line in found.items() if "ipykernel" in line)


def _in_container(wanted: Callable[[str], bool]) -> Find:
    """Return what finds a process of the kept sandbox, or of the one that is being made."""

    def find(scene: Scene, moment: Moment) -> int:
        if not isinstance(moment, Create):
            return inside(scene.kept, wanted)
        made = until(lambda: scene.server.rows(name="made"), 30, what="the row")
        return inside(str(made[0]["id"]), wanted)

    return find


_PAUSED = "the sandbox is paused with the reason, its files stay, a create under way fails"
_ITS_OWN = "its own sandbox alone is paused with the reason, or its create fails; files stay"
VICTIMS = (
    Victim("server", lambda scene, _: scene.server.pid, "paused", _PAUSED),
    Victim("kernel", _kernel, "active", "the sandbox lives; a create under way is taken back"),
    Victim("dagger session", lambda scene, _: session_of(scene.server.pid), "paused", _PAUSED),
    Victim("engine", _engine, "paused", _PAUSED),
    Victim("sandboxd", _in_container(is_daemon), "paused", _ITS_OWN),
    Victim(
        "main command",
        _in_container(is_command),
        "active",
        "the sandbox lives on; one that is being made fails",
    ),
)
_HELD = "it goes on afterwards, all sandboxes active"
#: In plain `make test`: the heart of it.
_QUICK = {("server", "SIGKILL", Push), ("engine", "SIGKILL", Create), ("sandboxd", "SIGKILL", Push)}


def _cases() -> Iterator[object]:
    for victim in VICTIMS:
        for signal in SIGNALS:
            for moment in MOMENTS:
                marks = [pytest.mark.quick] if (victim.name, signal, moment) in _QUICK else []
                name = f"{victim.name}, {signal}, {moment.name}"
                yield pytest.param(victim, signal, moment, id=name, marks=marks)


def _strike(scene: Scene, victim: Victim, signal: str, moment: Moment) -> None:
    pid = victim.find(scene, moment)
    kill(pid, SIGNALS[signal])
    if signal != "SIGKILL":
        time.sleep(HOLD)  # the fault itself
        kill(pid, 18)
    elif victim.name == "server":
        scene.server.wait()


def _moment(scene: Scene, victim: Victim, kind: type[Moment]) -> Moment:
    if victim.name == "kernel":
        return InKernel(scene, kind)
    in_container = victim.name in ("sandboxd", "main command")
    return QuickCreate(scene) if in_container and kind is Create else kind(scene)


@pytest.mark.parametrize(("victim", "signal", "kind"), list(_cases()))
@pytest.mark.timeout(240)
def test_what_is_killed_or_held_up_takes_nothing_along(
    world: World, own_server: Start, row: Row, victim: Victim, signal: str, kind: type[Moment]
) -> None:
    killed = signal == "SIGKILL"
    row.fault, row.moment = f"{signal} of the {victim.name}", kind.name
    row.promise = victim.promise if killed else _HELD
    scene = Scene(world, own_server)
    moment = _moment(scene, victim, kind)
    status = victim.status if killed else "active"
    if isinstance(moment, QuickCreate):
        status = "active"  # for it is the other one that is hit
    moment.begin()
    _strike(scene, victim, signal, moment)
    if killed and victim.name == "server":
        row.seen = moment.end(goes_on=False)
        scene.restart()
    what = f"the sandbox's being {status}"
    until(lambda: scene.kept.refresh().status == status, 20, what=what)
    goes_on = status == "active" and not (victim.name == "main command" and killed)
    row.seen = row.seen or moment.end(goes_on=goes_on)
    row.seen = f"{scene.aftermath()}; {row.seen}"
