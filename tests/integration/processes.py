"""A look at the host: whose process is there, and what an engine could leave behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

#: The variable that the first processes of a sandbox's container have.
_MARK = b"ORKEE_SANDBOX_ID="


def until(condition: Callable[[], T], seconds: float = 10.0, *, what: str = "it") -> T:
    """Return the condition's value once it is true; fail when that takes too long."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come about in {seconds:g} s"
        time.sleep(0.02)
    return value


def pids() -> Iterator[int]:
    """Yield the ids of all processes that this one sees; containers' are among them."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""  # it has ended, is a zombie, or is somebody else's


def command_line(pid: int) -> str:
    """Return a process's command line, "" for one that has ended and for zombies."""
    return _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace").strip()


def containers_of(ids: Iterable[str]) -> list[int]:
    """Return the processes that run in containers of these sandboxes, those of commands too."""
    marks = {_MARK + sandbox_id.encode() for sandbox_id in ids}
    everybody = list(pids())
    marked = [pid for pid in everybody if marks & set(_read(pid, "environ").split(b"\0"))]
    # The daemon does not hand its variable on; but a container has a pid namespace of its own.
    spaces = {_pid_space(pid) for pid in marked} - {""}
    return [pid for pid in everybody if _pid_space(pid) in spaces]


def _pid_space(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return ""


def commands_in(sandbox_id: str) -> list[str]:
    """Return the command lines of a sandbox's processes."""
    return [line for pid in containers_of([sandbox_id]) if (line := command_line(pid))]


def mentioning(text: str) -> dict[int, str]:
    """Return the processes whose command line or environment holds a text, except this one."""
    found = {}
    for pid in pids():
        line = command_line(pid)
        if pid != os.getpid() and line and (text in line or text.encode() in _read(pid, "environ")):
            found[pid] = line
    return found


def children(pid: int) -> list[int]:
    """Return the child processes of a process, of all its threads."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has just ended
            found += [int(child) for child in task.read_text().split()]
    return found


def frozen_groups() -> list[Path]:
    """Return the cgroups of frozen containers."""
    # A walk passes over folders that go meanwhile, a glob does not.
    walk = os.walk("/sys/fs/cgroup")
    return [Path(at, name) for at, names, _ in walk for name in names if name.endswith("-frozen")]


def session_of(server: int) -> int:
    """Return the ``dagger session`` process of a server."""
    (pid,) = (child for child in children(server) if command_line(child).endswith(" session"))
    return pid


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal; a process that has gone is as good."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def files() -> int:
    """Return how many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def host_traces() -> dict[str, list[str]]:
    """Return what an engine without namespaces of its own would leave on the host."""
    rules = subprocess.run(
        ["iptables-save"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"},
    ).stdout
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    return {
        "links": sorted(link.name for link in Path("/sys/class/net").glob("dagger*")),
        "rules": [line for line in rules.splitlines() if "10.87." in line],
        # Not those of Docker, whose containers come and go.
        "mounts": [
            line
            for line in mounts
            if ("orkee" in line or "dagger" in line) and "/docker/" not in line
        ],
    }
