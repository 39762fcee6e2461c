"""What must not be there any more when all tests have ended."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from .engine_view import contents
from .processes import command_line, containers_of, files, host_traces, mentioning, until
from .world import World

#: Descriptors and threads that libraries keep for themselves once they were used.
_KEPT_FILES = 12
_KEPT_THREADS = 3
_SAMPLE = 40  # workspaces that are looked into


class Before:
    """How things are before the first test, to be compared with what is left after the last."""

    def __init__(self) -> None:
        self.traces = host_traces()
        self.threads = threading.active_count()
        self.files = files()

    def compare(self, folder: Path) -> None:
        """Fail if the host or this process has more than before."""
        assert host_traces() == self.traces
        assert mentioning(str(folder)) == {}
        assert not folder.exists()
        names = [thread.name for thread in threading.enumerate()]
        assert len(names) <= self.threads + _KEPT_THREADS, names
        assert files() <= self.files + _KEPT_FILES


def check(world: World, rows: Sequence[tuple[str, str]]) -> None:
    """Fail if a server has left something: rows are the ids and states of all sandboxes."""
    assert rows, "there were no sandboxes"
    until(lambda: not containers_of(sandbox for sandbox, _ in rows), 20)
    assert list(world.sockets.glob("s/*.sock")) == []
    pids = [path.stem.partition("-")[2] for path in world.sockets.glob("server-*.sock")]
    assert [pid for pid in pids if command_line(int(pid))] == []
    assert {state for _, state in rows} <= {"terminated", "failed", "paused"}
    ended = [sandbox for sandbox, state in rows if state == "terminated"]
    step = max(1, len(ended) // _SAMPLE)
    left = contents(world, *ended[::step][:_SAMPLE])
    assert {sandbox: paths for sandbox, paths in left.items() if paths} == {}
