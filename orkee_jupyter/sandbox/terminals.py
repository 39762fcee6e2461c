"""Terminals in a sandbox: what is asked for, and what a use of one does to its sandbox."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from .activity import Activity, IdleExec
from .errors import OrkeeError
from .model import TerminalRequest
from .ports import TerminalStream
from .registry import Entry
from .requests import Check, _boolean, _decode, _invalid
from .validate import show, validate_command, validate_directory, validate_env

#: Rows or columns of a terminal, at most.
MOST_SIZE: Final = 10_000
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


class HeldTerminal(IdleExec):
    """A terminal that keeps its sandbox alive by what is typed and shown."""

    def __init__(self, stream: TerminalStream, activity: Activity, entry: Entry) -> None:
        super().__init__(stream, activity, entry)
        self._terminal = stream
        self.name = stream.name
        self.reattached = stream.reattached
        self.position = stream.position
        self.replay = stream.replay

    async def resize(self, rows: int, columns: int) -> None:
        """Set the terminal's size in characters."""
        await self._terminal.resize(rows, columns)


def check_size(value: object, field: str) -> int:
    """Return rows or columns. Raises ``invalid_request``."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_SIZE:
        return value
    raise _invalid(
        f"{field} is {show(value)}.", f"Give a whole number from 1 to {MOST_SIZE}.", field
    )


def check_name(value: object, field: str) -> str:
    """Return the name of a terminal. Raises ``invalid_request``."""
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise _invalid(
        f"{field} is {show(value)}.", "Use up to 32 letters, digits, '.', '_' and '-'.", field
    )


def _seen(value: object, field: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53:
        return value
    raise _invalid(f"{field} is {show(value)}.", "Give the number of bytes.", field)


_TERMINAL: Final[Mapping[str, Check]] = {
    "tty": _boolean,
    "command": validate_command,
    "env": validate_env,
    "cwd": validate_directory,
    "rows": check_size,
    "columns": check_size,
    "name": check_name,
    "new": _boolean,
    "attach": _boolean,
    "seen": _seen,
}


def decode_terminal(obj: object) -> TerminalRequest:
    """Return the request in a ``start`` with ``tty``. Raises ``invalid_*``."""
    fields: dict[str, Any] = _decode(obj, _TERMINAL)
    fields.pop("tty", None)
    if fields.get("new") and fields.get("attach"):
        raise _invalid("Both new and attach are given.", "Give one of them.", "new")
    return TerminalRequest(**fields)


def decode_opening(obj: object) -> tuple[str | None, bool]:
    """Return the name of the shell to show, and whether a new one is wanted."""
    fields = _decode(obj, {"name": check_name, "new": _boolean})
    return fields.get("name"), fields.get("new", False)


def terminal_error(code: str, name: str | None) -> OrkeeError | None:
    """Return the OrkeeError for a daemon's refusal of a terminal, None for any other code."""
    called = f"terminal {name!r}" if name else "terminal to attach to"
    if code == "not_found":
        return OrkeeError(
            "terminal_not_found",
            f"The sandbox has no {called}.",
            "`orkee sandbox ps ID` lists them; without --attach one is started.",
        )
    if code == "terminal_exists":
        return OrkeeError(
            "terminal_exists",
            f"The sandbox has a {called} already.",
            "Leave --new out to attach to it, or choose another name.",
        )
    if code == "too_many":
        return OrkeeError(
            "too_many_terminals",
            "The sandbox has as many terminals as it may have, 32.",
            "End one: `orkee sandbox ps ID` lists them, `orkee sandbox kill` ends one.",
        )
    if code == "replaced":
        return OrkeeError(
            "terminal_taken",
            "Somebody else attached to the terminal.",
            "Attach to it again, or open another with --new.",
        )
    return None
