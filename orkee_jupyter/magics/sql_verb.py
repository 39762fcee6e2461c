"""``%sandbox sql``: a SELECT over what was, as a DataFrame."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..client import Client, OrkeeError, QueryResult
from . import values
from .arguments import COMMANDS, Arguments, Command, invalid
from .cards import Shown, cells, message, table
from .foreign import Bundle
from .saying import say
from .terminal import one_line

if TYPE_CHECKING:
    from .magics import SandboxMagics

#: The same for the text of a cell.
CELL: Final = Command(
    "sql",
    COMMANDS["sql"].summary,
    COMMANDS["sql"].options,
    example="%%sandbox sql",
    cell=True,
)
_LINE: Final = re.compile(r"\s*sql(?:\s+(?P<rest>.*))?\Z", re.DOTALL)
_ROWS: Final = re.compile(r"--rows(?:=|\s+)(\S+)\s*")


class RowList(Shown, list[tuple[Any, ...]]):
    """Rows where there is no pandas; shows itself as a table."""

    def __init__(self, columns: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> None:
        super().__init__(rows)
        self.columns = tuple(columns)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Bundle:
        if not self:
            return message("No rows")
        rows = [["" if each is None else one_line(str(each)) for each in row] for row in self]
        return table([one_line(name) for name in self.columns], rows, [cells(row) for row in rows])


def read(line: str) -> Arguments | None:
    """Return what a line means that begins with ``sql``: SQL has quotes and dashes of its own.

    Raises OrkeeError ``invalid_request``.
    """
    found = _LINE.match(line)
    if found is None:
        return None
    rest = (found["rest"] or "").strip()
    if rest in ("-h", "--help"):
        return Arguments("help", ("sql",))
    options: dict[str, tuple[str, ...]] = {}
    if given := _ROWS.match(rest):
        options["rows"] = (given[1],)
        rest = rest[given.end() :]
    if not rest:
        raise invalid("There is no query.", f"Such as `{COMMANDS['sql'].example}`.")
    return Arguments("sql", (rest,), options)


def sql(magics: SandboxMagics, arguments: Arguments, names: Mapping[str, Any]) -> Any:
    """Return the answer to a query: a DataFrame, or a list of rows without pandas."""
    return answer(arguments.words[0], arguments)


def sql_cell(
    magics: SandboxMagics, arguments: Arguments, text: str, names: Mapping[str, Any]
) -> Any:
    """Return the answer to the query that a cell is."""
    return answer(text, arguments)


def answer(query: str, arguments: Arguments) -> Any:
    """Ask the server, and say what was left out."""
    result = Client().sql(query, rows=values.whole("--rows", arguments.one("rows")))
    for note in result.notes:
        say(note)
    if result.cut:
        say(f"There are more than these {len(result)} rows: see --rows.")
    return _frame(result)


def _frame(result: QueryResult) -> Any:
    try:
        return result.df()
    except OrkeeError as error:
        say(f"{error.cause} {error.remedy} Then this is a DataFrame.")
        return RowList(result.columns, result.rows)
