"""``%%sandbox VERB``: what is done with the text of a cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from . import files, python_cells, run_cells, sql_verb
from .arguments import Arguments, Command

if TYPE_CHECKING:
    from .magics import SandboxMagics

#: Does what a verb says with (the magics, the line's arguments, the cell's text, names).
CellAction = Callable[["SandboxMagics", Arguments, str, Mapping[str, Any]], Any]

#: The verbs, for parsing and help; each has an action below.
CELL_COMMANDS: Final[Mapping[str, Command]] = {
    command.name: command
    for command in (run_cells.COMMAND, python_cells.COMMAND, files.WRITE, sql_verb.CELL)
}
ACTIONS: Final[Mapping[str, CellAction]] = {
    "run": run_cells.run,
    "python": python_cells.run,
    "write": files.write,
    "sql": sql_verb.sql_cell,
}
