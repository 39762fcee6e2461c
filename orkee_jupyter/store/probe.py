"""Opens a database read-only in a process of its own, and says how that went.

DuckDB's replay of a damaged WAL may end the whole process, and must not end the
server. :func:`probe` runs this file as a script, which therefore imports nothing
of ours.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

TIMEOUT: Final = 60.0  # seconds; a replay of a WAL of the largest size takes well under one


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe saw. ``error`` is the name and the text of DuckDB's exception.

    ``epoch`` and ``rows`` are None where the file has no such table yet. ``history`` says that
    events and execs were looked at and can be read.
    """

    epoch: int | None = None
    rows: int | None = None
    history: bool = False
    error: tuple[str, str] | None = None


def probe(database: Path, config: Mapping[str, Any], *, history: bool = False) -> Finding:
    """Open, read every row, close. Changes nothing on disk; a crash is an error like another.

    Events and execs are read with ``history`` only: they may be many, and nobody's loss.
    """
    # -P: the folder of the script must not become a source of modules.
    command = [
        sys.executable,
        "-P",
        __file__,
        str(database),
        json.dumps(dict(config)),
        "1" if history else "",
    ]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return Finding(error=("Timeout", f"Opening took more than {TIMEOUT:.0f} seconds."))
    except OSError:
        return Finding()  # no process to be had: the caller opens without knowing more
    if done.returncode < 0:
        return Finding(error=("FatalException", f"Opening died of signal {-done.returncode}."))
    try:
        fields = json.loads(done.stdout)
    except ValueError:
        return Finding()
    error = fields["error"]
    return Finding(
        fields["epoch"], fields["rows"], fields["history"], tuple(error) if error else None
    )


def _look(path: str, config: dict[str, Any], history: bool) -> dict[str, Any]:
    import duckdb

    seen: dict[str, Any] = {"epoch": None, "rows": None, "history": False, "error": None}
    try:
        connection = duckdb.connect(path, read_only=True, config=config)
        tables = {name for (name,) in connection.execute("SHOW TABLES").fetchall()}
        if "store_epoch" in tables:
            sql = "SELECT max(epoch) FROM store_epoch"
            seen["epoch"] = connection.execute(sql).fetchall()[0][0]
        if "sandbox_sessions" in tables:
            # The hash makes DuckDB read, and check, every block that holds a row.
            sql = "SELECT count(*), bit_xor(hash(s)) FROM sandbox_sessions s"
            seen["rows"] = connection.execute(sql).fetchall()[0][0]
        if history:
            for table in ("sandbox_events", "sandbox_execs"):
                connection.execute(f"SELECT bit_xor(hash(h)) FROM {table} h").fetchall()  # noqa: S608
            seen["history"] = True
        connection.close()
    except duckdb.Error as error:
        seen["error"] = [type(error).__name__, str(error)]
    return seen


if __name__ == "__main__":
    print(json.dumps(_look(sys.argv[1], json.loads(sys.argv[2]), bool(sys.argv[3]))))
