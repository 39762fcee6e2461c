"""What DuckDB's errors mean to us: the one place that reads its messages."""

from __future__ import annotations

import enum
import re
from pathlib import Path
from typing import Final

import duckdb

from ..sandbox.errors import OrkeeError


class Kind(enum.Enum):
    """What went wrong with a database, as far as it makes a difference here."""

    LOCKED = "locked"
    FULL = "full"
    NEWER = "newer"
    DAMAGED = "damaged"
    OTHER = "other"


_PID: Final = re.compile(r"PID (\d+)")
_FULL: Final = ("no space left", "disk quota", "file too large", "out of disk")
_NEWER: Final = ("with version number", "newer version of duckdb", "storage version")
_DAMAGED: Final = (
    "corrupt",
    "not a valid duckdb",
    "failure while replaying",
    "could not read enough bytes",
    "checksum",
    "deserializ",
)


def kind(type_name: str, message: str) -> Kind:
    """Say what an error means, by the name of its type and its text.

    Only what is known to come from bytes that changed counts as damaged: nothing
    else may cost anybody a file.
    """
    text = message.lower()
    if "set lock" in text or "conflicting lock" in text:
        return Kind.LOCKED
    if any(sign in text for sign in _FULL):
        return Kind.FULL
    if any(sign in text for sign in _DAMAGED):
        return Kind.DAMAGED
    if any(sign in text for sign in _NEWER):
        return Kind.NEWER
    if type_name in ("SerializationException", "InternalException", "FatalException"):
        return Kind.DAMAGED
    return Kind.OTHER


def kind_of(error: Exception) -> Kind:
    """Say what an error of DuckDB's means."""
    return kind(type(error).__name__, str(error))


def blames_wal(message: str) -> bool:
    """Say whether it was the log that could not be read, and not the file that it is for."""
    return "corrupt wal" in message.lower()


def shows_damage(error: Exception) -> bool:
    """Say whether bytes on disk have changed, going by the text alone."""
    return kind("", str(error)) is Kind.DAMAGED


def is_fatal(error: Exception) -> bool:
    """Say whether DuckDB refuses everything after this error until the file is opened anew."""
    fatal = isinstance(error, duckdb.FatalException | duckdb.InternalException)
    return fatal or "has been invalidated" in str(error)


def translate(type_name: str, message: str, path: Path) -> OrkeeError:
    """Return our error for one of DuckDB's. Its text is left out where it may quote a row."""
    match kind(type_name, message):
        case Kind.LOCKED:
            found = _PID.search(message)
            return locked(path, int(found.group(1)) if found else None)
        case Kind.FULL:
            return disk_full(path)
        case Kind.NEWER:
            return OrkeeError(
                "store_failed",
                f"The database {path} was written by a later DuckDB than the one installed.",
                "Upgrade duckdb, or give another path for the database.",
            )
        case Kind.DAMAGED:
            return OrkeeError(
                "store_failed",
                f"The database {path} is damaged.",
                "Start the server again: it sets the damaged file aside and makes a new one.",
            )
    if type_name == "IOException":
        return OrkeeError(
            "store_failed",
            f"The database cannot be used: {message.splitlines()[0].removeprefix('IO Error: ')}.",
            "Check that its folder exists and can be written to, or give another path.",
        )
    return OrkeeError(
        "store_failed",
        f"The database {path} refused an operation ({type_name}).",
        "Look for the details in the server's log.",
    )


def translate_error(error: Exception, path: Path) -> OrkeeError:
    """Return our error for an exception of DuckDB's or of the file system's."""
    if isinstance(error, OrkeeError):
        return error
    return translate(type(error).__name__, str(error), path)


def locked(path: Path, pid: int | None) -> OrkeeError:
    """Return the error for a file that another process holds."""
    holder = f"process {pid}" if pid else "another process"
    return OrkeeError(
        "store_locked",
        f"The database {path} is held by {holder}.",
        "Stop that server, or give this one another path for the database.",
        details={"pid": pid, "path": str(path)},
    )


def disk_full(path: Path) -> OrkeeError:
    """Return the error for a disk without room."""
    return OrkeeError(
        "disk_full",
        f"The disk that holds the database {path} is full.",
        "Free some space there and try again.",
        details={"path": str(path)},
    )
