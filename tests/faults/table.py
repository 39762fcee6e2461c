"""The table of a run: what was broken, when, what was promised, what was seen, was it kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

#: Where the rows are written to, for :mod:`scripts.faults`.
VARIABLE = "ORKEE_FAULTS_TABLE"
HEAD = ("Fault", "Moment", "Promise", "Seen", "Kept")


@dataclass
class Row:
    """A line of the table."""

    fault: str
    moment: str
    promise: str
    seen: str = ""
    kept: bool = True

    @property
    def cells(self) -> tuple[str, ...]:
        seen = " ".join(self.seen.split())[:300]
        return self.fault, self.moment, self.promise, seen, "yes" if self.kept else "**no**"


KEY = pytest.StashKey[Row]()

#: Tests of the parts that make faults, told in one line for each file or test: what their
#: names begin with, the fault, the moment and the promise.
_PARTS = (
    ("store/test_crash.py", "SIGKILL", "in mid-write", "acknowledged rows are there"),
    ("store/test_damage.py", "database cut, emptied, deleted, corrupt, its WAL too", "at rest",
     "noticed, set aside, rebuilt with what can be read, said"),
    ("store/test_failpoints.py", "error, abort, delay at each step of the migrations", "migration",
     "all or nothing, and the next start goes on"),
    ("store/test_full_disk.py", "disk full", "insert, stop", "create refused, stop recorded"),
    ("store/test_two_servers.py", "database held by another process", "start",
     "a file of its own, or `store_locked` that names the holder"),
    ("sandbox/test_lifetime.py", "clock moved, use and expiry at once (with a clock of the test)",
     "reaper", "a round of grace; the use wins or is refused"),
)  # fmt: skip


def part_files() -> list[str]:
    """Return the files of those tests, below ``tests``."""
    return [part[0] for part in _PARTS]


def part_of(nodeid: str) -> Row | None:
    """Return the row, still empty, of a test of a part."""
    for begin, *words in _PARTS:
        if nodeid.startswith(f"tests/{begin}"):
            return Row(*words)
    return None


def markdown(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of the table for a document."""
    yield f"| {' | '.join(HEAD)} |"
    yield f"|{' --- |' * len(HEAD)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row.cells)} |"


def write(path: Path, rows: Iterable[Row]) -> None:
    path.write_text(json.dumps([asdict(row) for row in rows]))


def read(path: Path) -> list[Row]:
    return [Row(**each) for each in json.loads(path.read_text())]
