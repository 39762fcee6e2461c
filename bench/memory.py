"""What processes take, as the kernel counts it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from .subjects import Subject

_PAGE = os.sysconf("SC_PAGE_SIZE")
_INTERVAL = 0.5  # seconds


def proportional(subject: Subject) -> dict[int, int]:
    """Return the bytes of each process of a subject, shared pages by halves (PSS)."""
    roots = {pid for pids in subject.processes().values() for pid in pids}
    return {pid: size for pid in _trees(roots) if (size := _pss(pid))}


class Peaks:
    """The most that the processes of each part had in memory at one time, in bytes (RSS)."""

    def __init__(self, subjects: Iterable[Subject]) -> None:
        self._subjects = list(subjects)
        self.most: dict[str, int] = defaultdict(int)
        self._ended = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look twice a second while the block runs."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _watch(self) -> None:
        parts = self._parts()
        while not self._ended.wait(_INTERVAL):
            for name, pids in parts.items():
                size = sum(_rss(pid) for pid in _trees(pids))
                self.most[name] = max(self.most[name], size)

    def _parts(self) -> Mapping[str, Sequence[int]]:
        found: dict[str, Sequence[int]] = {"this program with the clients": [os.getpid()]}
        for subject in self._subjects:
            found |= subject.processes()
        return found


def _trees(roots: Iterable[int]) -> set[int]:
    """Return processes and all below them; not those that this program has started for others."""
    children: dict[int, list[int]] = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            words = path.read_text().rpartition(")")[2].split()
            children[int(words[1])].append(int(path.parent.name))
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            if pid != os.getpid():
                waiting += children[pid]
    return found


def _rss(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    return 0


def _pss(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
