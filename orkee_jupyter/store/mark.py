"""The mark beside a database: how far it had come when last seen.

A WAL that was emptied or overwritten, a deleted or an older main file all open
without an error in DuckDB, with rows gone. The mark lets us notice. It is a
floor: the database may be ahead of it, never behind.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mark:
    """``epoch`` counts the committed writes; ``clean`` says that the last owner closed in order."""

    epoch: int
    rows: int
    clean: bool = False


def place(database: Path) -> Path:
    """Return where the mark of a database is."""
    return database.with_name(database.name + ".mark.json")


def read(database: Path) -> Mark | None:
    """Return the mark, None if there is none or it cannot be read."""
    try:
        fields = json.loads(place(database).read_text("utf-8"))
        return Mark(int(fields["epoch"]), int(fields["rows"]), fields["clean"] is True)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write(database: Path, mark: Mark) -> None:
    """Replace the mark, whole or not at all. Raises OSError."""
    target = place(database)
    aside = target.with_name(target.name + ".new")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(mark), file)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(target)
