"""Ctrl-C twice in quick succession: it ends soon, and nothing is left or said wrongly."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from tests.integration.kernels import Kernel
from tests.integration.processes import commands_in, until
from tests.integration.world import World

from .moments import Create
from .scene import Scene, Start
from .table import Row

pytestmark = [pytest.mark.faults, pytest.mark.engine, pytest.mark.slow, pytest.mark.native]
ENDS = 10.0  # seconds in which it has ended
PAUSE = 0.1  # seconds between the two: as fast as a person is


#: Make stdin the terminal whose Ctrl-C reaches this session, and become the program.
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)
#: By itself, or by the second signal where it comes at the very end: 130 for a shell, both.
_INTERRUPTED = (130, -signal.SIGINT)


def twice(press: Callable[[], object]) -> float:
    """Do it twice; return when it was done first."""
    began = time.monotonic()
    press()
    time.sleep(PAUSE)
    press()
    return began


# -- a server ------------------------------------------------------------------


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Give both ends of a terminal: ours, and the one of what runs in it."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("where", ["on a terminal", "without a terminal"])
@pytest.mark.timeout(120)
def test_a_server_ends_in_order(
    world: World, own_server: Start, row: Row, terminal: tuple[int, int], where: str
) -> None:
    row.fault, row.moment = "Ctrl-C twice", f"a server {where}"
    row.promise = f"it ends in {ENDS:g} s, its sandboxes are stopped with the reason"
    on_terminal = {"stdin": terminal[1], "prefix": [sys.executable, "-c", _TAKE_TERMINAL]}
    arguments = on_terminal if where == "on a terminal" else {}
    scene = Scene(world, own_server, **arguments)
    if arguments:  # which sends it to every process of the foreground
        began = twice(lambda: os.write(terminal[0], b"\x03"))
    else:
        began = twice(lambda: scene.server.signal(signal.SIGINT))
    scene.server.wait(ENDS)
    took = time.monotonic() - began
    scene.restart()
    assert (scene.kept.status, scene.kept.reason) == ("terminated", "server stopped")
    row.seen = f"{took:.1f} s; {scene.aftermath()}"


# -- the command line ------------------------------------------------------------


#: What is begun, its words, and what shows that it is under way.
CLI: dict[str, tuple[list[str], Callable[[Scene], object]]] = {
    "create": (
        ["create", "made", "--name", "made"],
        lambda scene: [r for r in scene.server.rows(name="made") if "setup" in str(r["step"])],
    ),
    "exec": (
        ["exec", "kept", "--", "sleep", "600"],
        lambda scene: "sleep 600" in commands_in(scene.kept.id),
    ),
    "logs -f": (["logs", "kept", "-f"], lambda scene: True),
}


@contextlib.contextmanager
def orkee(scene: Scene, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a verb of the command line, and end it if it is still there."""
    env = scene.server.env | {"ORKEE_SOCKET": str(scene.server.socket)}
    with subprocess.Popen(
        [sys.executable, "-m", "orkee_jupyter.cli", "sandbox", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        cwd=scene.server.project,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("verb", CLI)
@pytest.mark.timeout(120)
def test_a_command_ends_without_a_trace(
    world: World, own_server: Start, row: Row, verb: str
) -> None:
    row.fault, row.moment = "Ctrl-C twice", f"`orkee sandbox {verb}`"
    row.promise = f"it ends in {ENDS:g} s with 130 and no traceback; what it began is taken back"
    scene = Scene(world, own_server)
    words, is_on = CLI[verb]
    if verb == "create":
        Create(scene).write_template()
    with orkee(scene, *words) as process:
        if verb == "logs -f":
            assert process.stdout is not None
            assert process.stdout.readline() == b"on\n"
        until(lambda: is_on(scene), 30, what=verb)
        began = twice(lambda: process.send_signal(signal.SIGINT))
        _, errors = process.communicate(timeout=ENDS)
    took = time.monotonic() - began
    assert process.returncode in _INTERRUPTED
    assert b"Traceback" not in errors, errors
    _is_taken_back(scene, verb)
    row.seen = f"{took:.1f} s; {scene.aftermath()}"


def _is_taken_back(scene: Scene, verb: str) -> None:
    if verb == "create":
        until(lambda: _status(scene) == "failed", ENDS, what="the end of the creation")
    until(lambda: "sleep 600" not in commands_in(scene.kept.id), ENDS, what="the command's end")


def _status(scene: Scene) -> str:
    (made,) = scene.server.rows(name="made")
    return str(made["status"])


# -- a kernel ----------------------------------------------------------------------


@pytest.mark.timeout(120)
def test_a_cell_ends_and_its_kernel_goes_on(world: World, own_server: Start, row: Row) -> None:
    row.fault, row.moment = "interrupted twice", "a cell with `%sandbox create`"
    row.promise = f"the cell ends in {ENDS:g} s, its create is taken back, the kernel goes on"
    scene = Scene(world, own_server)
    Create(scene).write_template()
    with Kernel(scene.server) as kernel:
        kernel.begin("%sandbox create made --name made")
        until(lambda: CLI["create"][1](scene), 30, what="the create")
        began = twice(kernel.interrupt)
        # Not its reply: ipykernel sends none where the second comes just before it would.
        assert kernel.value("6 * 7") == 42
        took = time.monotonic() - began
    assert took < ENDS
    until(lambda: _status(scene) == "failed", ENDS, what="the end of the creation")
    row.seen = f"{took:.1f} s; {scene.aftermath()}"
