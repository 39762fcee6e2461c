"""Has a user's query answered by a process of its own: see :mod:`query_child`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb

from ..sandbox.errors import OrkeeError

#: Seconds that a query may take, its process's start included, and MiB that it may use.
SECONDS: Final = 10
MEMORY: Final = 512
#: Bytes that an answer may have.
BYTES: Final = 8 << 20
#: Queries that are answered at once; others wait for their turn.
AT_ONCE: Final = 2
#: Where the process finds DuckDB, which it would not in a folder that only PYTHONPATH names.
_PACKAGES: Final = str(Path(duckdb.__file__).parents[1])
#: All of the environment that it gets: what Python itself may not start without.
_ENVIRONMENT: Final = ("LD_LIBRARY_PATH",)
_CHILD: Final = Path(__file__).with_name("query_child.py")
_MOMENT: Final = "make_timestamp({0} * 1000000) AS {0}"
_SESSION: Final[Mapping[str, str]] = {
    "id": "VARCHAR",
    "name": "VARCHAR",
    "status": "VARCHAR",
    "reason": "VARCHAR",
    "exit_code": "INTEGER",
    "template": "VARCHAR",
    "image": "VARCHAR",
    "project_id": "VARCHAR",
    "command": "VARCHAR[]",
    "working_directory": "VARCHAR",
    "ports": "INTEGER[]",
    "host_url": "VARCHAR",
    "env": "VARCHAR[]",
    "secrets": "VARCHAR[]",
    "network": "VARCHAR",
    "links": "VARCHAR[]",
    "labels": "MAP(VARCHAR, VARCHAR)",
    "limits": "STRUCT(memory BIGINT, cpus DOUBLE, pids BIGINT)",
    "ttl": "BIGINT",
    "on_expiry": "VARCHAR",
    "timeout": "BIGINT",
    "link": "VARCHAR",
    "provider": "VARCHAR",
    "container_id": "VARCHAR",
    "created_at": "BIGINT",
    "last_active_at": "BIGINT",
    "expires_at": "BIGINT",
}
_MOMENTS: Final = ("created_at", "last_active_at", "expires_at")


class Table:
    """A table that a query sees: rows as JSON lines, in memory that the process inherits."""

    def __init__(self, name: str, columns: Mapping[str, str], select: str) -> None:
        self.name = name
        self.columns = columns
        self.select = select
        self.fd = os.memfd_create(f"orkee-{name}", os.MFD_CLOEXEC)
        self.size = 0
        self.count = 0
        self.cut = False  # older rows were left out

    @classmethod
    def sessions(cls) -> Table:
        """Return the table of sandboxes, from what REST tells of them."""
        select = ", ".join(_MOMENT.format(name) if name in _MOMENTS else name for name in _SESSION)
        return cls("sessions", _SESSION, select)

    @classmethod
    def logs(cls) -> Table:
        """Return the table of lines of logs."""
        columns = {
            "sandbox_id": "VARCHAR",
            "seq": "BIGINT",
            "time": "DOUBLE",
            "stream": "VARCHAR",
            "text": "VARCHAR",
        }
        moment = "make_timestamp(CAST(time * 1000000 AS BIGINT)) AS time"
        return cls("logs", columns, f"sandbox_id, seq, {moment}, stream, text")

    async def fill(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Add rows; members that the table has no column for are left out."""

        def encode() -> tuple[bytes, int]:
            lines = [
                json.dumps({name: row.get(name) for name in self.columns}, ensure_ascii=False)
                for row in rows
            ]
            return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace"), len(lines)

        self.add(*await asyncio.to_thread(encode))

    def add(self, data: bytes, count: int) -> None:
        """Add rows that are lines of JSON already."""
        view = memoryview(data)
        while view:
            view = view[os.write(self.fd, view) :]
        self.size += len(data)
        self.count += count

    def notes(self) -> Sequence[str]:
        """Return what one should know of it."""
        return [f"Of {self.name} the newest {self.count} rows were looked at."] if self.cut else []

    def close(self) -> None:
        """Free its memory."""
        os.close(self.fd)


class Asking:
    """Starts the processes, and ends them: each in its time, all of them at the close."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._running: set[asyncio.subprocess.Process] = set()
        self._closed = False

    async def ask(self, query: str, tables: Sequence[Table], rows: int) -> bytes:
        """Return the answer as JSON. Raises ``invalid_sql``, ``query_too_large``."""
        asked = {
            "query": query,
            "rows": rows,
            "bytes": BYTES,
            "memory": MEMORY,
            "seconds": SECONDS,
            "path": _PACKAGES,
            "tables": {
                each.name: {"fd": each.fd, "columns": each.columns, "select": each.select}
                for each in tables
            },
        }
        try:
            given = json.dumps(asked, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise invalid("The query is not Unicode.") from error
        async with self._turn:
            code, answer = await self._run(given, [each.fd for each in tables])
        if self._closed:
            raise OrkeeError("store_failed", "The server stops.", "Ask again when it runs.")
        if code != 0:
            raise _died(code)
        return _checked(answer)

    async def _run(self, given: bytes, fds: Sequence[int]) -> tuple[int, bytes]:
        """Return the exit code of a process and what it said."""
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", str(_CHILD)),
                stdin=pipe,
                stdout=pipe,
                stderr=asyncio.subprocess.DEVNULL,
                pass_fds=fds,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                cwd="/",
            )
        except OSError as error:
            raise OrkeeError(
                "store_failed", f"No process can be had for the query: {error.strerror}."
            ) from error
        self._running.add(process)
        try:
            async with asyncio.timeout(SECONDS):
                answer, _ = await process.communicate(given)
        except TimeoutError:
            raise _too_large(f"The query took more than {SECONDS} s.") from None
        finally:
            if process.returncode is None:
                process.kill()
                await asyncio.shield(process.wait())
            self._running.discard(process)
        return process.returncode or 0, answer

    async def close(self) -> None:
        """End what runs."""
        self._closed = True
        for process in list(self._running):
            if process.returncode is None:
                process.kill()


def _checked(answer: bytes) -> bytes:
    """Return an answer, or raise what it says instead."""
    if not answer.startswith(b'{"error"'):
        return answer
    told: dict[str, Any] = json.loads(answer)
    if told["error"] == "large":
        raise _too_large(told["message"] or f"The answer would have more than {BYTES >> 20} MiB.")
    raise invalid(told["message"])


def _died(code: int) -> OrkeeError:
    if code < 0:  # by a signal: the kernel's, for its bounds, or DuckDB's own end
        return _too_large("The query needed more than a query may use.")
    return OrkeeError(
        "store_failed", "The query's process failed.", "The server's log may say why."
    )


def _too_large(cause: str) -> OrkeeError:
    return OrkeeError(
        "query_too_large", cause, "Ask for less: fewer rows, a WHERE, an aggregate, no cross join."
    )


def invalid(cause: str) -> OrkeeError:
    """Return the error for a query that cannot be answered."""
    return OrkeeError(
        "invalid_sql",
        cause if cause.endswith((".", "!", "?")) else f"{cause}.",
        "Ask with one SELECT over sessions, events, execs, logs; `DESCRIBE execs` names columns.",
    )
