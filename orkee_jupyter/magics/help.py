"""What ``%sandbox help`` says, made from the same table that the parser reads."""

from __future__ import annotations

from .arguments import ALIASES, COMMANDS, Command, invalid
from .cells import CELL_COMMANDS

_REFERENCES = """\
ID is a full id, the beginning of one, a name, or _ for the sandbox used last; a
Python variable that holds a sandbox will do too. {expression} and $name put
Python values in, a word each; single quotes keep them as written."""


def overview() -> str:
    """Return the page of all sub-commands."""
    lines = [f"  {name:<10} {command.summary}" for name, command in COMMANDS.items()]
    cells = [f"  {name:<10} {command.summary}" for name, command in CELL_COMMANDS.items()]
    every = [*COMMANDS.values(), *CELL_COMMANDS.values()]
    examples = [f"  {command.example}" for command in every if command.example]
    return "\n".join(
        [
            "%sandbox: containers from a notebook cell.",
            "",
            *lines,
            "",
            "%%sandbox: what is done with the text of a cell.",
            "",
            *cells,
            "",
            "Examples:",
            *examples,
            "",
            _REFERENCES,
            "`%sandbox help COMMAND` explains one of them.",
        ]
    )


def of_command(name: str) -> str:
    """Return the page of one sub-command. Raises OrkeeError ``invalid_request`` for another."""
    command: Command | None = COMMANDS.get(ALIASES.get(name, name)) or CELL_COMMANDS.get(name)
    if command is None:
        raise invalid(f'There is no sub-command "{name}".', "`%sandbox help` lists them all.")
    lines = [command.summary, "", f"Usage: {command.usage}"]
    for option in command.options:
        flag = ", ".join(part for part in (option.short, option.flag) if part)
        again = " (may be repeated)" if option.repeat else ""
        lines.append(f"  {f'{flag} {option.metavar}'.rstrip():<22} {option.help}{again}")
    if command.positional.lstrip("[").startswith("ID"):
        lines += ["", _REFERENCES]
    if command.example:
        lines += ["", f"Example: {command.example}"]
    return "\n".join(lines)
