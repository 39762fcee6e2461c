"""The machine's clock is set by a day, ahead or back, under a server that runs.

``libfaketime`` moves the wall clock of the server's process alone; its steady clock, which
timeouts go by, is the machine's.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orkee_jupyter.client import OrkeeError
from tests.integration.processes import until
from tests.integration.world import World

from .scene import Scene, Start
from .table import Row

pytestmark = [pytest.mark.faults, pytest.mark.engine, pytest.mark.slow, pytest.mark.native]
DAY = 86_400
ROUND = 5  # seconds between two looks for expired sandboxes
TTL = 8  # seconds of a sandbox that nobody uses
#: Says that it runs, and ends once it is told to.
BUSY = "echo on > on; until [ -e go ]; do sleep 0.1; done"
LIBRARY = "faketime/libfaketimeMT.so.1"


def library() -> Path:
    """Return libfaketime. Fails where it is not installed: without it nothing is shown."""
    found = [path for path in Path("/usr/lib").glob(f"*/{LIBRARY}") if path.is_file()]
    assert found, "this test needs Debian's package libfaketime: run `make faketime`"
    return found[0]


class Clock:
    """The wall clock of a server, which can be set while it runs."""

    def __init__(self, world: World) -> None:
        self._file = world.folder / "clock"
        self.moved = 0
        self.set(0)
        self.env = {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: int) -> None:
        """Have it go that much before the machine's."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.replace(self._file)  # never half of it
        self.moved = seconds

    def now(self) -> float:
        return time.time() + self.moved


@pytest.fixture
def clock(world: World) -> Clock:
    return Clock(world)


@contextlib.contextmanager
def in_use(scene: Scene, name: str) -> Iterator[None]:
    """Run a command in a sandbox as long as the block runs; fail if it was ended before."""
    outcome: list[object] = []

    def run() -> None:
        with scene.server.client() as client:
            try:
                outcome.append(client.get(name).exec(BUSY))
            except OrkeeError as error:
                outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: "on" in [each.path for each in scene.client.get(name).files.list()])
    try:
        yield
        assert outcome == [], "it runs on"
    finally:
        scene.client.get(name).files.write("go", b"")
        thread.join(30)
    assert getattr(outcome[0], "ok", False), outcome


@pytest.mark.parametrize("days", [1, -1], ids=["ahead", "back"])
@pytest.mark.timeout(180)
def test_a_clock_that_is_set_loses_nothing_in_use_and_makes_nothing_immortal(
    world: World, own_server: Start, row: Row, clock: Clock, days: int
) -> None:
    row.fault = f"the server's clock set {'ahead' if days > 0 else 'back'} by a day"
    row.moment = "an exec under way"
    row.promise = "what is used lives on, a round of grace, then what nobody uses expires"
    scene = Scene(world, own_server, f"--OrkeeExtension.reap_interval={ROUND}", env=clock.env)
    used = scene.client.create("debian", name="used", ttl=TTL)
    with in_use(scene, "used"):
        idle = scene.client.create("debian", name="idle", ttl=TTL)
        clock.set(days * DAY)
        assert scene.kept.exec(["true"]).ok
        said = f"The clock jumped by {days * DAY} s"
        until(lambda: said in scene.server.log(), 2 * ROUND, what="a notice of it")
        assert idle.refresh().status == "active", "a round of grace"
        ended = until(lambda: scene.server.rows(status="terminated"), TTL + 3 * ROUND)
        assert [(each["name"], each["reason"]) for each in ended] == [("idle", "expired")]
        for each in scene.server.rows(status="active"):
            left = each["expires_at"] - clock.now()
            assert 0 <= left <= each["ttl"] + 1, f"{each['name']}: {left:.0f} s"
    used.stop()
    row.seen = f"idle expired, used did not; {scene.aftermath()}"
    assert "Traceback" not in scene.server.log()
