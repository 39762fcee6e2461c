"""Every SQL statement of the store. Values go in as parameters only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..sandbox.model import ListQuery
from . import cursor
from .rows import COLUMNS

_ALL: Final = ", ".join(COLUMNS)
_MINE: Final = "(CAST($user_id AS VARCHAR) IS NULL OR user_id = $user_id)"
_NEWEST: Final = "ORDER BY created_at DESC, sequence DESC"
_SELECT: Final = f"SELECT {_ALL} FROM sandbox_sessions"  # noqa: S608 - constants only

#: The next sequence comes from the rows themselves, so that it holds in whatever file they are
#: carried over to. One thread inserts: no two rows get the same.
INSERT: Final = (
    f"INSERT INTO sandbox_sessions ({_ALL}, sequence) "  # noqa: S608 - constants only
    f"SELECT {', '.join('$' + name for name in COLUMNS)}, coalesce(max(sequence), 0) + 1 "
    "FROM sandbox_sessions RETURNING id"
)
_SET: Final = ", ".join(f"{name} = ${name}" for name in COLUMNS if name != "id")
UPDATE: Final = f"UPDATE sandbox_sessions SET {_SET} WHERE id = $id RETURNING id"  # noqa: S608
TOUCH: Final = """
UPDATE sandbox_sessions
SET last_active_at = greatest(last_active_at, $last_active_at),
    expires_at = greatest(expires_at, $expires_at)
WHERE id = $id AND status NOT IN ('terminated', 'failed')
RETURNING id
"""
NEXT_EPOCH: Final = "UPDATE store_epoch SET epoch = epoch + 1 RETURNING epoch"

GET: Final = f"{_SELECT} WHERE id = $id"
FIND_ID: Final = f"{GET} AND {_MINE}"
FIND_NAME: Final = f"{_SELECT} WHERE name = $name AND {_MINE} {_NEWEST}"
FIND_PREFIX: Final = (
    f"{_SELECT} WHERE starts_with(id, $id) AND {_MINE} "
    "ORDER BY status IN ('terminated', 'failed'), created_at DESC, sequence DESC"
)
LIVE: Final = f"{_SELECT} WHERE status IN ('creating', 'active', 'paused') {_NEWEST}"
EXPIRED: Final = (
    f"{_SELECT} WHERE status IN ('active', 'paused') AND expires_at <= $now ORDER BY expires_at, id"
)


def insert_many(table: str, columns: Sequence[str], types: Mapping[str, str]) -> str:
    """Return the statement that adds rows given as one list for each column, in their order.

    ``types`` are those of the columns that are no text.
    """
    values = ", ".join(
        f"unnest(CAST(${name} AS {types.get(name, 'VARCHAR')}[])) AS {name}" for name in columns
    )
    return (
        f"INSERT INTO {table} (sequence, {', '.join(columns)}) SELECT "  # noqa: S608 - constants
        f"(SELECT coalesce(max(sequence), 0) FROM {table}) + row_number() OVER (), * "
        f"FROM (SELECT {values})"
    )


def by_column(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, list[Any]]:
    """Return rows as the values of such a statement."""
    return {name: [row[at] for row in rows] for at, name in enumerate(columns)}


@dataclass(frozen=True, slots=True)
class Listing:
    """A list in two steps: ``oldest`` finds how far back a page reaches, ``page`` fetches it.

    With 100,000 rows that takes half the time of sorting whole rows. A row of ``page`` is that
    of a sandbox with its sequence after it.
    """

    oldest: str
    page: str


def listing(query: ListQuery, user_id: str | None) -> tuple[Listing, dict[str, Any]]:
    """Return the statements of a list and their values; ``page`` also takes ``$oldest``.

    A page is asked for with one row more than its limit, to see whether another follows.
    Raises ``invalid_request`` for a cursor that is none.
    """
    filters = ["true"]
    values: dict[str, Any] = {"rows": query.limit + 1}

    def add(condition: str, **given: Any) -> None:
        filters.append(condition)
        values.update(given)

    if user_id is not None:
        add("user_id = $user_id", user_id=user_id)
    if query.statuses is not None:
        statuses = sorted(status.value for status in query.statuses)
        add("list_contains(CAST($statuses AS VARCHAR[]), status)", statuses=statuses)
    if query.project is not None:
        add("project_id = $project", project=query.project)
    if query.name is not None:
        add("name = $name", name=query.name)
    if query.labels:
        labels = json.dumps(dict(query.labels))
        add("json_contains(metadata -> '$.labels', CAST($labels AS JSON))", labels=labels)
    if query.cursor is not None:
        created_at, sequence = cursor.decode(query.cursor)
        add(
            "(created_at < $after_time"
            " OR (created_at = $after_time AND sequence < $after_sequence))",
            after_time=created_at,
            after_sequence=sequence,
        )
    where = " AND ".join(filters)
    newest = f"SELECT created_at FROM sandbox_sessions WHERE {where}"  # noqa: S608 - constants only
    return Listing(
        f"SELECT min(created_at) FROM ({newest} ORDER BY created_at DESC LIMIT $rows)",  # noqa: S608
        f"SELECT {_ALL}, sequence FROM sandbox_sessions "  # noqa: S608 - constants only
        f"WHERE created_at >= $oldest AND {where} {_NEWEST} LIMIT $rows",
    ), values
