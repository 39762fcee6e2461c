"""A hostile program in a sandbox floods the forwarded link, past sandboxd and every credit.

The forwarded socket has no back-pressure towards the server: what nobody reads is in the
memory of ``dagger session``, whose cap has to hold also while the server stands still.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from functools import partial

import pytest

from orkee_jupyter.client import OrkeeError, Sandbox
from tests.integration.processes import command_line, session_of, until
from tests.integration.world import World

from .flood import GROWTH, MIB, begin, flooder, peak
from .scene import Scene, Start
from .table import Row

pytestmark = [pytest.mark.faults, pytest.mark.engine, pytest.mark.slow, pytest.mark.native]

#: What a process has beside the memory that its cap counts: its program, mostly.
MARGIN = 96 * MIB
CAP = 1024 * MIB  # by default
SMALL = 256 * MIB
FORWARDED = "--OrkeeExtension.link=forwarded"

FLOODS = {
    "garbage": ("garbage without a HELLO", "nobody is harmed"),
    "idle": ("frames after a right HELLO", "its sandbox alone is paused with the reason"),
    "stream": ("a stream past its credit", "its sandbox alone is paused with the reason"),
    "notices": ("notices without an end", "its sandbox alone is paused with the reason"),
}


class Flood:
    """A scene on the forwarded link, a sandbox in it that floods, and what that costs."""

    def __init__(
        self, world: World, start: Start, how: str, seconds: float, cap: int = CAP
    ) -> None:
        self.cap = cap
        option = f"--OrkeeExtension.session_memory={cap}"
        self.scene = Scene(world, partial(start, FORWARDED, option))
        self.session = session_of(self.scene.server.pid)
        command = flooder(how, seconds, 2 * cap)
        self.sandbox = self.scene.client.create("python", name="flood", command=command)
        self._before = peak(self.scene.server.pid)
        self._most = 0
        self._end = time.monotonic() + seconds
        begin(self.sandbox)

    @property
    def goes_on(self) -> bool:
        self.look()
        return time.monotonic() < self._end

    def look(self) -> bool:
        """Note what the session has; return whether it lives."""
        self._most = max(self._most, peak(self.session))
        return bool(command_line(self.session))

    def cost(self) -> str:
        """Fail if memory was not bounded; return how much it was."""
        self.look()
        grown = peak(self.scene.server.pid) - self._before
        assert grown < GROWTH, f"the server grew by {grown / MIB:.0f} MiB"
        assert self._most < self.cap + MARGIN, f"the session had {self._most / MIB:.0f} MiB"
        return f"{grown / MIB:.0f} MiB more in the server, {self._most / MIB:.0f} in the session"

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Have the server stand still."""
        self.scene.server.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.scene.server.signal(signal.SIGCONT)


def slowest(flood: Flood) -> float:
    """Use the other sandbox for as long as the flood goes on; return the slowest call's time."""
    worst = 0.0
    while flood.goes_on:
        began = time.monotonic()
        assert flood.scene.kept.exec(["true"]).ok, "the other sandbox works"
        worst = max(worst, time.monotonic() - began)
    return worst


def is_refused(sandbox: Sandbox) -> bool:
    """Use a sandbox; return whether it was lost by that, or before."""
    try:
        sandbox.exec(["true"], timeout=10)
    except OrkeeError as error:
        return error.code in {"sandbox_lost", "sandbox_not_active"}
    return False


def is_lost(sandbox: Sandbox) -> bool:
    sandbox.refresh()
    return sandbox.status == "paused" and "broke the protocol" in str(sandbox.reason)


_HOW = [pytest.param(how, marks=[pytest.mark.quick] if how == "stream" else []) for how in FLOODS]


@pytest.mark.parametrize("how", _HOW)
@pytest.mark.timeout(180)
def test_a_flood_of_the_forwarded_link_is_cut_off(
    world: World, own_server: Start, row: Row, how: str
) -> None:
    row.fault, row.promise = FLOODS[how]
    row.fault, row.moment = f"flood of the forwarded link: {row.fault}", "the server runs"
    flood = Flood(world, own_server, how, seconds=8 if how == "garbage" else 3)
    if how == "stream":
        until(lambda: is_refused(flood.sandbox), what="an exec over the hostile connection")
    worst = slowest(flood)
    if how == "garbage":
        assert flood.sandbox.refresh().status == "active"
    else:
        until(lambda: is_lost(flood.sandbox), what="the loss of the hostile sandbox")
    assert worst < 5, "the other sandbox answers"
    seen = f"{flood.cost()}; an exec beside it took {worst:.2f} s at most"
    row.seen = f"{seen}; {flood.scene.aftermath()}"


@pytest.mark.parametrize("how", ["garbage", "idle"])
@pytest.mark.timeout(180)
def test_a_flood_while_the_server_stands_still_is_held_and_given_back(
    world: World, own_server: Start, row: Row, how: str
) -> None:
    row.fault = f"flood of the forwarded link: {FLOODS[how][0]}"
    row.moment, row.promise = "SIGSTOP, 4 s, of the server", FLOODS[how][1]
    flood = Flood(world, own_server, how, seconds=4)
    with flood.stopped():
        while flood.goes_on:
            time.sleep(0.05)
    assert flood.look(), "the session lives"
    if how != "garbage":
        until(lambda: is_lost(flood.sandbox), what="the loss of the hostile sandbox")
    assert flood.scene.kept.exec(["true"]).ok
    row.seen = f"{flood.cost()}; {flood.scene.aftermath()}"


@pytest.mark.parametrize("how", ["garbage", "idle"])
@pytest.mark.timeout(240)
def test_a_flood_beyond_the_cap_ends_the_session_and_is_survived(
    world: World, own_server: Start, row: Row, how: str
) -> None:
    row.fault = f"flood of the forwarded link: {FLOODS[how][0]}"
    row.moment = "SIGSTOP of the server until the session's cap is reached"
    row.promise = "all sandboxes of the session are paused with the reason, the files stay"
    flood = Flood(world, own_server, how, seconds=60, cap=SMALL)
    with flood.stopped():
        until(lambda: not flood.look(), 60, what="the end of the session")
    kept = flood.scene.kept
    until(lambda: kept.refresh().status == "paused", what="the pause")
    assert kept.reason == "the engine's session ended: it used more than 256 MiB of memory"
    until(lambda: flood.sandbox.refresh().status == "paused", what="the pause of the flooder")
    row.seen = f"{flood.cost()}; {flood.scene.aftermath()}"
