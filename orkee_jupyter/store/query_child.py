"""Answers one query, in a process of its own which holds the asker's rows and nothing else.

:mod:`query` runs this file as a script, which therefore imports nothing of ours. A query may
cost what it likes here, and end the process: it meets no database file, no other user's row,
no environment and no network, and the kernel bounds its time and memory.

Stdin is a JSON object: ``query``, ``rows`` and ``bytes`` (what the answer may have), ``memory``
(MiB), ``seconds``, ``path`` (where DuckDB is), and ``tables``: their names with ``fd`` (a file of
JSON lines), ``columns`` (names and types as they are in that file) and ``select`` (how the table
is made of them).
Stdout is the answer or ``{"error": …, "message": …}``.
"""

from __future__ import annotations

import json
import math
import resource
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_CONFIG: Final[Mapping[str, Any]] = {
    "threads": 1,
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,
}
_LOCK: Final = (
    "SET TimeZone = 'UTC'",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
_AS_THEY_ARE: Final = frozenset(
    [
        "BOOLEAN",
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "HUGEINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
        "UHUGEINT",
        "FLOAT",
        "DOUBLE",
        "VARCHAR",
    ]
)
_NESTED: Final = ("STRUCT(", "MAP(", "UNION(")
_EXACT: Final = 15  # digits that a double has for sure
_PIECE: Final = 500  # rows taken at once
_ADDRESSES: Final = 3 << 30  # bytes that the process may map, DuckDB's own included


def _bound(seconds: int) -> None:
    """Have the kernel bound this process: no file, no core, so much time and memory."""
    for kind, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, _ADDRESSES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def _open(duckdb: Any, asked: Mapping[str, Any]) -> Any:
    """Return a connection to a fresh database in memory with the tables, locked."""
    config = {**_CONFIG, "memory_limit": f"{asked['memory']}MB"}
    connection = duckdb.connect(":memory:", config=config)
    for name, table in asked["tables"].items():
        columns = ", ".join(f"{column}: '{kind}'" for column, kind in table["columns"].items())
        connection.execute(
            f"CREATE TABLE {name} AS SELECT {table['select']} FROM "  # noqa: S608 - names of ours
            f"read_json('/proc/self/fd/{table['fd']}', format = 'newline_delimited', "
            f"columns = {{{columns}}})"
        ).fetchall()
    for statement in _LOCK:
        connection.execute(statement).fetchall()
    return connection


def _statement(duckdb: Any, connection: Any, query: str) -> str:
    """Return the one SELECT that a query is. Raises ValueError with a sentence."""
    statements = connection.extract_statements(query)
    if not statements:
        raise ValueError("There is no statement.")
    if len(statements) > 1:
        raise ValueError("There is more than one statement.")
    kind = statements[0].type
    if kind != duckdb.StatementType.SELECT:
        raise ValueError(f"{kind.name} is not possible here, only SELECT is.")
    return str(statements[0].query).strip().rstrip(";")


def _shown(name: str, kind: str) -> str:
    """Return how a column is asked for, so that each of its values is one of JSON's."""
    if kind in _AS_THEY_ARE:
        return name
    if kind.startswith("DECIMAL(") and int(kind[8:].split(",", maxsplit=1)[0]) <= _EXACT:
        return f"CAST({name} AS DOUBLE)"
    if _is_nested(kind):
        return f"CAST(to_json({name}) AS VARCHAR)"
    return f"CAST({name} AS VARCHAR)"


def _is_nested(kind: str) -> bool:
    return kind == "JSON" or kind.endswith("]") or kind.startswith(_NESTED)


def _values(row: Sequence[Any], nested: Sequence[bool]) -> Iterator[Any]:
    for value, is_nested in zip(row, nested, strict=True):
        if isinstance(value, float) and not math.isfinite(value):
            yield "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        elif is_nested and value is not None:
            try:
                yield json.loads(value, parse_constant=str)
            except (ValueError, RecursionError):
                yield value
        else:
            yield value


def _answer(connection: Any, statement: str, most_rows: int, most_bytes: int) -> str:
    """Return the answer as JSON, cut where it would be larger than it may."""
    found = connection.sql(f"FROM (\n{statement}\n)")
    names, kinds = list(found.columns), [str(kind) for kind in found.types]
    inner = [f"c{number}" for number in range(len(names))]
    shown = ", ".join(_shown(name, kind) for name, kind in zip(inner, kinds, strict=True))
    connection.execute(
        f"SELECT {shown} FROM (\n{statement}\n) AS t({', '.join(inner)}) "  # noqa: S608 - the user's own
        f"LIMIT {most_rows + 1}"
    )
    nested = [_is_nested(kind) for kind in kinds]
    rows: list[str] = []
    size, cut = 0, False
    while not cut and (piece := connection.fetchmany(_PIECE)):
        for row in piece:
            text = json.dumps(list(_values(row, nested)), ensure_ascii=False)
            size += len(text.encode("utf-8", "replace"))
            if len(rows) == most_rows or (size > most_bytes and rows):
                cut = True
                break
            if size > most_bytes:
                raise MemoryError
            rows.append(text)
    columns = [{"name": n, "type": k} for n, k in zip(names, kinds, strict=True)]
    head = json.dumps(columns, ensure_ascii=False)
    return f'{{"columns": {head}, "rows": [{", ".join(rows)}], "cut": {json.dumps(cut)}}}'


def _sentence(message: str) -> str:
    """Return what DuckDB says, without the drawing of where in the query it was."""
    return " ".join(message.split("\n\n", maxsplit=1)[0].split())


def main() -> None:
    """Read, answer, end."""
    asked = json.loads(sys.stdin.buffer.read())
    sys.path.append(asked["path"])
    import duckdb

    connection = _open(duckdb, asked)
    _bound(asked["seconds"])
    try:
        statement = _statement(duckdb, connection, asked["query"])
        answer = _answer(connection, statement, asked["rows"], asked["bytes"])
    except ValueError as error:
        answer = json.dumps({"error": "invalid", "message": str(error)})
    except (MemoryError, RecursionError):
        answer = json.dumps({"error": "large", "message": ""})
    except duckdb.Error as error:
        kind = "large" if isinstance(error, duckdb.OutOfMemoryException) else "invalid"
        answer = json.dumps({"error": kind, "message": _sentence(str(error))})
    sys.stdout.buffer.write(answer.encode("utf-8", "replace"))


if __name__ == "__main__":
    main()
