"""What a query over the past gives: rows with the names and types of their columns."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orkee_jupyter.sandbox.errors import OrkeeError


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Rows, in the order of the query. ``types`` are DuckDB's names; times are text in UTC."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    cut: bool  # there are more rows
    notes: tuple[str, ...]  # what the tables did not hold

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)

    def dicts(self) -> list[dict[str, Any]]:
        """Return each row as a dictionary by column."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def df(self) -> Any:
        """Return a pandas DataFrame, with times as times in UTC.

        Raises OrkeeError ``missing_package`` without pandas.
        """
        try:
            pd: Any = importlib.import_module("pandas")
        except ImportError as error:
            raise OrkeeError(
                "missing_package", "pandas is not installed.", "Run `pip install pandas`."
            ) from error
        frame = pd.DataFrame(list(self.rows), columns=list(self.columns))
        for at, kind in enumerate(self.types):
            if kind.startswith("TIMESTAMP"):
                moments = pd.to_datetime(
                    frame.iloc[:, at], utc=True, format="ISO8601", errors="coerce"
                )
                frame.isetitem(at, moments)
        return frame


def result_of(answer: Mapping[str, Any]) -> QueryResult:
    """Return the result of a REST answer. Raises ``internal`` for what is none."""
    try:
        columns: Sequence[Mapping[str, Any]] = answer["columns"]
        return QueryResult(
            tuple(str(each["name"]) for each in columns),
            tuple(str(each["type"]) for each in columns),
            tuple(tuple(row) for row in answer["rows"]),
            bool(answer["cut"]),
            tuple(str(note) for note in answer.get("notes", ())),
        )
    except (KeyError, TypeError) as error:
        raise OrkeeError("internal", f"The server's answer to a query is none: {error}.") from error
