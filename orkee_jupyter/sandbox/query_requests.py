"""From a JSON body to a query over the past."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .requests import Check, _decode, _invalid
from .validate import show

#: Rows of an answer: unless said otherwise, and at most.
ROWS: Final = 10_000
MOST_ROWS: Final = 100_000
#: Characters of a query.
LONGEST: Final = 65_536
EXAMPLE: Final = 'Give "query": "SELECT * FROM execs".'


def decode_sql(obj: object) -> tuple[str, int]:
    """Return the query and the rows that its answer may have. Raises ``invalid_request``."""
    fields: dict[str, Any] = _decode(obj, _SQL)
    if "query" not in fields:
        raise _invalid("There is no query.", EXAMPLE, "query")
    return fields["query"], fields.get("rows", ROWS)


def _query(value: object, field: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _invalid(f"{field} is {show(value)}, not a query.", EXAMPLE, field)
    if len(value) > LONGEST:
        raise _invalid(f"{field} is longer than {LONGEST} characters.", "Ask for less.", field)
    return value


def _rows(value: object, field: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_ROWS:
        return value
    raise _invalid(f"{field} is {show(value)}.", f"Give 1 to {MOST_ROWS}.", field)


_SQL: Final[Mapping[str, Check]] = {"query": _query, "rows": _rows}
