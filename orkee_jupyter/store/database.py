"""One database file: opened with care, checked, kept with its mark, set aside when damaged."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import duckdb

from ..sandbox.errors import OrkeeError
from . import failures, mark, migrate
from .failures import Kind
from .probe import Finding, probe

#: Small blocks, for the table is small: 130 kB instead of 2 MB, and a checkpoint in a quarter of
#: the time. The storage version keeps the file readable by every DuckDB that we allow.
CONFIG: Final[dict[str, Any]] = {
    "memory_limit": "256MB",
    "threads": 1,
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_persistent_secrets": False,
}
_CREATE: Final[dict[str, Any]] = {
    **CONFIG,
    "storage_compatibility_version": "v1.2.0",
    "default_block_size": 16384,
}

#: After opening, for DuckDB applies its settings in no order that could be relied on.
_HARDEN: Final = ("SET enable_external_access = false", "SET lock_configuration = true")

RESERVE: Final = 1 << 20  # bytes kept back, so that a stop can be recorded on a full disk

_CHECK_ROWS: Final = "SELECT count(*), bit_xor(hash(s)) FROM sandbox_sessions s"
_EPOCH_TABLE: Final = "CREATE TABLE IF NOT EXISTS store_epoch (epoch BIGINT NOT NULL)"
_EPOCH_FIRST: Final = (
    "INSERT INTO store_epoch SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM store_epoch)"
)

_CARRY: Final = (
    "INSERT INTO sandbox_sessions SELECT * FROM source.sandbox_sessions",
    _EPOCH_TABLE,
    "INSERT INTO store_epoch SELECT max(epoch) FROM source.store_epoch",
)

_HISTORY_SINCE: Final = 4  # version of the schema
_CARRY_HISTORY: Final = (
    "INSERT INTO sandbox_events SELECT * FROM source.sandbox_events",
    "INSERT INTO sandbox_execs SELECT * FROM source.sandbox_execs",
)


class Database:
    """A file and what lies beside it.

    All methods but ``room`` and ``free_reserve`` are for the writer's thread alone.
    ``notice`` is called there with a sentence for whatever a person should know.
    """

    def __init__(self, path: Path, notice: Callable[[str], None]) -> None:
        self.path = path
        self._notice = notice
        self._wal = path.with_name(path.name + ".wal")
        self._lock_file = path.with_name(path.name + ".lock")
        self._reserve = path.with_name(path.name + ".reserve")
        self._lock: int | None = None  # a descriptor
        self._epoch = 0
        self._rows = 0
        self._wal_noted = False  # the mark says that the WAL holds something
        self._suspect = False  # to be built anew from the rows that can be read

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Open the file, making or mending it if need be; the schema is the newest after it.

        Raises ``store_locked``, ``disk_full`` or ``store_failed``.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._take_lock()
            seen = self._recover(mark.read(self.path))
            connection = self._rebuild() if self._suspect else self._open(seen)
            self._keep_reserve()
            self._write_mark(clean=False)
            self._wal_noted = False
        except (duckdb.Error, OSError) as error:
            self.release()
            raise failures.translate_error(error, self.path) from error
        except BaseException:
            self.release()
            raise
        return connection

    def room(self) -> int:
        """Return the free bytes of the disk that holds the file."""
        try:
            return shutil.disk_usage(self.path.parent).free
        except OSError:
            return 0

    def committed(self, epoch: int, *, added: int) -> None:
        """Note a committed write and the rows that it added."""
        self._epoch = epoch
        self._rows += added

    def note_wal(self) -> None:
        """Have the mark say that the WAL holds something, once after each checkpoint."""
        if not self._wal_noted:
            self._write_mark(clean=False)
            self._wal_noted = True

    def settle(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """Move what is in the WAL to the main file, and write the mark.

        Returns False if the connection is of no use any more. What was committed stays so in
        either case, in the WAL if not in the main file.
        """
        usable = True
        if self.room() > RESERVE:  # a checkpoint that runs out of room invalidates the connection
            try:
                connection.execute("CHECKPOINT").fetchall()
            except duckdb.Error as error:
                usable = not failures.is_fatal(error)
                cause = failures.translate_error(error, self.path).cause
                self._notice(f"{cause} What was written is safe in its log.")
        self._write_mark(clean=False)
        self._wal_noted = False
        return usable

    def finish(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Close in order."""
        usable = self.settle(connection)
        clean = self.abandon(connection) and usable and not self._wal.exists()
        self._write_mark(clean=clean)
        self.release()

    def discard(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Close and remove the file and what lies beside it, but for the lock. Raises OSError."""
        self.abandon(connection)
        # The mark first: a file that is gone without it is not missed.
        for file in (mark.place(self.path), self._reserve, self.path, self._wal):
            file.unlink(missing_ok=True)
        self.release()

    def abandon(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """Close a connection whatever state it is in; say whether that went well."""
        try:
            connection.close()
        except duckdb.Error:
            return False
        return True

    def release(self) -> None:
        """Let another server, or another store of this one, have the file."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def free_reserve(self) -> bool:
        """Give up the space kept back; say whether there was any."""
        try:
            self._reserve.unlink()
        except OSError:
            return False
        return True

    def _take_lock(self) -> None:
        """Become the one that may look at, mend and open the files.

        DuckDB's own lock comes too late for that, and does not hold within one process.
        The lock file stays: were it removed, two servers could lock two of that name.
        """
        if self._lock is not None:
            return
        lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(lock, 20)
            os.close(lock)
            raise failures.locked(self.path, int(holder) if holder.isdigit() else None) from error
        self._lock = lock
        with contextlib.suppress(OSError):  # a full disk: then the holder goes unnamed
            os.truncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)

    def _recover(self, seen: mark.Mark | None) -> mark.Mark | None:
        """Look at the files before DuckDB does; return the mark that the opened one must reach."""
        wal = _size(self._wal)
        if not self.path.exists():
            self._begin_anew(seen, wal)
            return None
        if _size(self.path) == 0:
            self._suspect = True
        if self._suspect or (not wal and seen is not None and seen.clean):
            return seen
        found = probe(self.path, CONFIG)
        if found.error and not _damaged(found):
            raise failures.translate(*found.error, self.path)
        if found.error:
            self._suspect = not (wal and self._drop_wal(found.error[1]))
            return None
        if seen and found.epoch is not None and found.epoch < seen.epoch and wal:
            # The replay would overwrite what may still tell somebody something.
            aside = self._aside()
            shutil.copy2(self._wal, aside.with_name(aside.name + ".wal"))
        return seen

    def _drop_wal(self, message: str) -> bool:
        """Set the WAL aside if the file can be read without it; say whether that will do."""
        aside = self._rename_wal()
        if _damaged(probe(self.path, CONFIG)):
            aside.replace(self._wal)
            return False
        self._notice(
            f"The log of the database {self.path} could not be read and is now {aside}: "
            "changes since the last checkpoint are lost, renewed lifetimes as a rule."
        )
        return failures.blames_wal(message)

    def _begin_anew(self, seen: mark.Mark | None, wal: int) -> None:
        if wal:
            self._rename_wal()
        if seen and seen.rows:
            self._notice(
                f"The database {self.path} is gone, and with it {sandboxes(seen.rows)}; "
                "a new one was made."
            )

    def _open(self, seen: mark.Mark | None) -> duckdb.DuckDBPyConnection:
        try:
            connection = self._open_once()
        except duckdb.Error as error:
            if failures.kind_of(error) is not Kind.DAMAGED:
                raise
            return self._rebuild()
        self._compare(seen)
        return connection

    def _rebuild(self) -> duckdb.DuckDBPyConnection:
        """Set the files aside and make new ones, with every row that can still be read.

        DuckDB reads rows and indexes apart: often enough only an index is gone.
        """
        aside = self._set_aside()
        rows = probe(aside, CONFIG).rows if _size(aside) else None
        try:
            connection = self._open_once(aside if rows else None)
        except duckdb.Error as error:
            if not rows or failures.kind_of(error) is not Kind.DAMAGED:
                raise
            rows = None
            self.path.unlink(missing_ok=True)
            self._wal.unlink(missing_ok=True)
            connection = self._open_once()
        self._suspect = False
        kept = f"with the {sandboxes(rows)} that could be read" if rows else "without any sandbox"
        self._notice(
            f"The database {self.path} was damaged and is now {aside}; a new one was made {kept}."
        )
        return connection

    def suspect(self) -> None:
        """Have the next opening build the file anew: DuckDB has met bytes that changed."""
        self._suspect = True

    def _open_once(self, source: Path | None = None) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(str(self.path), config=_CREATE)
        try:
            self.path.chmod(0o600)
            if source is not None:
                _carry_over(connection, source)
            for statement in _HARDEN:
                connection.execute(statement).fetchall()
            migrate.up(connection)
            connection.execute(_EPOCH_TABLE).fetchall()
            connection.execute(_EPOCH_FIRST).fetchall()
            self._rows = int(connection.execute(_CHECK_ROWS).fetchall()[0][0])
            epoch = connection.execute("SELECT max(epoch) FROM store_epoch").fetchall()
            self._epoch = int(epoch[0][0])
            if self.room() > RESERVE:
                connection.execute("CHECKPOINT").fetchall()
        except BaseException:
            self.abandon(connection)
            raise
        return connection

    def _compare(self, seen: mark.Mark | None) -> None:
        if seen is None or (self._epoch >= seen.epoch and self._rows >= seen.rows):
            return
        lost = seen.rows - self._rows
        what = sandboxes(lost) if lost > 0 else "the latest changes"
        self._notice(
            f"The database {self.path} is older than when last seen: {what} of it is lost."
        )

    def _set_aside(self) -> Path:
        aside = self._aside()
        self.path.replace(aside)
        if self._wal.exists():
            self._wal.replace(aside.with_name(aside.name + ".wal"))
        # The mark stays until the new file is open: after a crash in between it tells of the rows.
        return aside

    def _rename_wal(self) -> Path:
        aside = self._aside()
        return self._wal.replace(aside.with_name(aside.name + ".wal"))

    def _aside(self) -> Path:
        """Return a name that neither a file nor its WAL has yet."""
        base = f"{self.path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        name, number = base, 1
        while any(self.path.parent.glob(glob.escape(name) + "*")):
            number += 1
            name = f"{base}-{number}"
        return self.path.with_name(name)

    def _write_mark(self, *, clean: bool) -> None:
        # A mark that cannot be written stays behind the database: it then notices less.
        with contextlib.suppress(OSError):
            mark.write(self.path, mark.Mark(self._epoch, self._rows, clean))

    def _keep_reserve(self) -> None:
        if _size(self._reserve) >= RESERVE or self.room() < 4 * RESERVE:
            return
        with contextlib.suppress(OSError), self._reserve.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, RESERVE)


def _carry_over(connection: duckdb.DuckDBPyConnection, source: Path) -> None:
    """Copy the rows and the epoch of another file into an empty one."""
    name = str(source).replace("'", "''")  # ATTACH takes no parameter
    connection.execute(f"ATTACH '{name}' AS source (READ_ONLY)").fetchall()
    version = connection.execute("SELECT max(version) FROM source.schema_migrations").fetchall()
    migrate.up(connection, version[0][0])
    for statement in _CARRY:
        connection.execute(statement).fetchall()
    # Apart, and only where another process could read them all: they must not cost a sandbox.
    if version[0][0] >= _HISTORY_SINCE and probe(source, CONFIG, history=True).history:
        for statement in _CARRY_HISTORY:
            connection.execute(statement).fetchall()
    connection.execute("DETACH source").fetchall()


def _damaged(found: Finding) -> bool:
    return found.error is not None and failures.kind(*found.error) is Kind.DAMAGED


def sandboxes(count: int) -> str:
    """Return a number of sandboxes in words."""
    return f"{count} sandbox" if count == 1 else f"{count} sandboxes"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def candidates(path: Path) -> list[Path]:
    """Return the path and the eight names that further servers of the same user take."""
    others = [path.with_name(f"{path.stem}-{n}{path.suffix}") for n in range(2, 10)]
    return [path, *others]


def all_held(path: Path, first: OrkeeError) -> OrkeeError:
    """Return the error for a user with nine servers, naming the holder of the first file."""
    return OrkeeError(
        "store_locked",
        f"{first.cause} The eight names beside it are held as well.",
        first.remedy,
        details=first.details,
    )
