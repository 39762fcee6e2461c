"""Random use with random kills beside a model: zero differences, and nothing that grows.

``ORKEE_SOAK_MINUTES`` is how long (30), ``ORKEE_SOAK_SEED`` repeats a walk. In the first
fifth the server is killed as well; from there on it lives, and in the second half of its life
what it holds must not grow. Before that the C library's memory allocator fills up: each new
session with the engine takes some 0.2 MB that is free again, and given to the 50th one.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable

import pytest

from tests.integration.servers import Server
from tests.integration.world import World

from .kills import Kills
from .measure import Sample, growth, look, table
from .model import MOST
from .walk import Walk

pytestmark = [pytest.mark.soak, pytest.mark.engine, pytest.mark.slow, pytest.mark.native]
MINUTES = float(os.environ.get("ORKEE_SOAK_MINUTES", "30"))
QUICK = 20 / 60  # minutes
STEPS = {
    **{"create": 10, "create_in_vain": 1, "exec": 12, "write": 12, "read": 6, "remove": 4},
    **{"push": 4, "pull": 4, "pause": 4, "resume": 10, "extend": 3, "stop": 6},
    **{"freeze": 4, "fork": 2, "snapshot": 2},
    **{"stop_and_keep": 2, "stop_again": 1, "list": 4, "logs": 4},
}
KILLS = {"command": 3, "daemon": 3, "session": 1, "engine": 1}
SERVER_KILLS = {
    **{"server": 2, "during_write": 3, "during_create": 2},
    **{"during_pause": 2, "during_resume": 2, "during_stop": 3},
}
LINKS = ("direct", "forwarded")
#: One step in so many kills something.
EVERY = 12
#: Seconds between two samples.
REST = 20.0
#: What may be gained a minute at most, by the slope over the samples that count.
MOST_GAINED = {
    **{"memory": 0.5, "descriptors": 0.2, "threads": 0.2},
    **{"children": 0.1, "mounts": 0.2, "runtime": 0.2},
}
#: Minutes from which on growth can be told from a beginning.
TELLING = 5.0


class Soak:
    """A walk of some minutes, with samples."""

    def __init__(self, walk: Walk, minutes: float, said: list[str]) -> None:
        self.walk = walk
        self.kills = Kills(walk)
        self.minutes = minutes
        self.said = said
        self.began = time.monotonic()
        self.samples: list[Sample] = []
        self.life = 0  # the first sample of the server that lives on

    @property
    def minute(self) -> float:
        return (time.monotonic() - self.began) / 60

    def run(self) -> None:
        """Walk until the time is over."""
        rested = time.monotonic()
        while self.minute < self.minutes:
            kill = self.walk.random.randrange(EVERY) == 0
            if not kill:
                self.walk.step(STEPS)
            elif self.minute < self.minutes * 0.2:
                self.walk.step(KILLS | SERVER_KILLS, self.kills)
                self.life = len(self.samples)
            else:
                self.walk.step(KILLS, self.kills)
            if time.monotonic() - rested > min(REST, self.minutes * 6):
                self.rest()
                rested = time.monotonic()
        self.rest()
        for known in self.walk.model:
            self.walk.client.get(known.id).stop()
            self.walk.model.stop(known)
        self.walk.compare()

    def rest(self) -> None:
        """Pause all that is active, and look what is held then."""
        for known in self.walk.model.of("active"):
            self.walk.past.append(f"rest: pause {known.name}")
            self.walk.client.get(known.id).pause()
            self.walk.model.pause(known)
        self.walk.compare()
        self.walk.becomes("sockets at rest", lambda: look(self.walk, self.began).sockets, 0)
        self.samples.append(look(self.walk, self.began))

    @property
    def settled(self) -> list[Sample]:
        """The samples of the second half of the life of the server that lives on."""
        kept = self.samples[self.life :]
        return kept[len(kept) // 2 :]

    def say(self, seed: int) -> None:
        """Tell how it went."""
        kept = self.settled
        taken = ", ".join(f"{name} {count}" for name, count in sorted(self.walk.steps.items()))
        gained = ", ".join(f"{name} {growth(kept, name):+.3f}" for name in MOST_GAINED)
        self.said += [
            f"soak: {self.minute:.1f} minutes, {self.walk.steps.total()} steps, seed {seed}, "
            f"link {LINKS[seed % 2]}",
            f"steps: {taken}",
            f"sandboxes: {len(self.walk.model.live) + len(self.walk.model.ended)}, "
            f"server restarts: {self.kills.restarts}",
            *table(self.samples),
            f"gained a minute in the last {len(kept)} samples: {gained}",
        ]

    def check_flat(self) -> None:
        """Fail if something grows that should not."""
        gained = {name: growth(self.settled, name) for name in MOST_GAINED}
        assert all(gained[name] <= most for name, most in MOST_GAINED.items()), gained


def _soak(start: Callable[..., Server], world: World, minutes: float, said: list[str]) -> Soak:
    seed = int(os.environ.get("ORKEE_SOAK_SEED") or secrets.randbits(32))
    link = LINKS[seed % 2]
    server = start(f"--OrkeeExtension.max_sandboxes={MOST}", f"--OrkeeExtension.link={link}")
    soak = Soak(Walk(world, server, seed), minutes, said)
    try:
        soak.run()
    except BaseException:
        said += ["the last steps:", *soak.walk.past[-25:]]
        raise
    finally:
        soak.say(seed)
        soak.walk.client.close()
    assert "Traceback" not in server.log(), server.log()[-8000:]
    return soak


@pytest.mark.timeout(0)
def test_half_an_hour_without_a_difference(
    world: World, own_server: Callable[..., Server], said: list[str]
) -> None:
    soak = _soak(own_server, world, MINUTES, said)
    assert soak.walk.steps.total() > 20 * MINUTES
    if MINUTES >= TELLING:
        soak.check_flat()


@pytest.mark.quick
@pytest.mark.timeout(240)
def test_some_seconds_without_a_difference(
    world: World, own_server: Callable[..., Server], said: list[str]
) -> None:
    soak = _soak(own_server, world, QUICK, said)
    assert soak.walk.steps.total() > 5
