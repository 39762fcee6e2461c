"""What may stand behind ``%sandbox``: one table for parsing, help and completion."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ..client import OrkeeError

#: What the values of an option or a positional word are, for completion.
TEMPLATE, REFERENCE, STATUS, COMMAND = "template", "reference", "status", "command"
CODE_LANGUAGE = "language"
STATUSES: Final = ("creating", "active", "paused", "terminated", "failed")

_KEPT: Final = "a variable that is kept in memory only, and masked in outputs"


@dataclass(frozen=True, slots=True)
class Option:
    """A flag such as ``--port``; without ``metavar`` it takes no value."""

    flag: str
    metavar: str = ""
    help: str = ""
    short: str = ""
    repeat: bool = False
    values: str = ""  # what completes it

    @property
    def key(self) -> str:
        """Return the name under which :class:`Arguments` holds it."""
        return self.flag.removeprefix("--").replace("-", "_")


@dataclass(frozen=True, slots=True)
class Command:
    """A sub-command. ``most`` bounds its positional words; ``tail`` allows ``-- COMMAND…``."""

    name: str
    summary: str
    options: tuple[Option, ...] = ()
    positional: str = ""  # as the usage line shows it
    values: str = ""  # what completes a positional word
    least: int = 0
    most: int = 0
    tail: bool = False
    tail_needed: bool = False
    example: str = ""
    cell: bool = False  # works on the text of a cell

    @property
    def magic(self) -> str:
        """Return what calls it: ``%sandbox NAME``, or with two signs for a cell's text."""
        return f"{'%' if self.cell else ''}%sandbox {self.name}"

    @property
    def usage(self) -> str:
        """Return the usage line."""
        parts = [self.magic, self.positional]
        for option in self.options:
            flag = f"{option.short}|{option.flag}" if option.short else option.flag
            value = f" {option.metavar}" if option.metavar else ""
            parts.append(f"[{flag}{value}]" + ("…" if option.repeat else ""))
        parts.append("-- COMMAND…" if self.tail_needed else "[-- COMMAND…]" if self.tail else "")
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Arguments:
    """A parsed line: ``tail`` is what follows ``--``, None where there is none."""

    command: str
    words: tuple[str, ...] = ()
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tail: tuple[str, ...] | None = None

    def one(self, key: str) -> str | None:
        """Return the last value of an option, or None."""
        values = self.options.get(key)
        return values[-1] if values else None

    def all(self, key: str) -> tuple[str, ...]:
        """Return every value of an option that may be repeated."""
        return self.options.get(key, ())

    def has(self, key: str) -> bool:
        """Return whether a flag was given."""
        return key in self.options


_PROJECT = Option("--project", "NAME", "only of this project")
_GITIGNORE = Option("--gitignore", help="leave out what git ignores, and .git")
_LABEL = Option("--label", "KEY=VALUE", "only with this label", repeat=True)

COMMANDS: Final[Mapping[str, Command]] = {
    command.name: command
    for command in (
        Command(
            "create",
            "Start a sandbox and return it.",
            (
                Option("--name", "NAME", "a name to use in place of the id"),
                Option("--image", "IMAGE", "another image than the template's"),
                Option("--from", "SNAPSHOT", "begin with the files of a snapshot"),
                Option("--project", "NAME", "the project it belongs to"),
                Option(
                    "--port",
                    "[HOST:]PORT",
                    "a port it listens on: 3000, 8080:3000",
                    "-p",
                    repeat=True,
                ),
                Option(
                    "--wait",
                    "CONDITION",
                    "until port:3000, http:3000/x, log:REGEX, exec:CMD",
                    repeat=True,
                ),
                Option("--wait-timeout", "SECONDS", "of the waiting, 60 unless said otherwise"),
                Option("--memory", "SIZE", "at most so much memory: 256m, 1.5g"),
                Option("--cpus", "NUMBER", "at most so many processors' time: 1.5"),
                Option("--pids", "NUMBER", "at most so many processes and threads"),
                Option("--timeout", "TIME", "end it after so long in any case: 90 (seconds), 30m"),
                Option("--env", "KEY=VALUE", "an environment variable", "-e", repeat=True),
                Option("--secret", "NAME[=env:VAR|=file:PATH|=VALUE]", _KEPT, repeat=True),
                Option("--network", "full|none|allow:HOST,…", "what it may reach; full"),
                Option("--link", "NAME", "a sandbox that it reaches by its name", repeat=True),
                Option("--label", "KEY=VALUE", "a label to find it by", repeat=True),
                Option("--ttl", "TIME", "lifetime without activity: 90 (seconds), 30m, 2h, 1d"),
                Option("--on-expiry", "VERB", "when its ttl is over: stop or pause"),
                Option("--mount", "FOLDER", "copy this folder into the workspace first"),
                _GITIGNORE,
            ),
            positional="[TEMPLATE]",
            values=TEMPLATE,
            most=1,
            tail=True,
            example="%sandbox create node --name web --port 3000 -- node server.js",
        ),
        Command(
            "list",
            "Show the sandboxes that run or are paused.",
            (
                Option("--all", help="also those that have ended", short="-a"),
                Option("--status", "STATUS", "only in this state", values=STATUS, repeat=True),
                _PROJECT,
                _LABEL,
            ),
            example="%sandbox list --project demo",
        ),
        Command(
            "logs",
            "Show what the sandbox's command has printed.",
            (
                Option("--follow", help="wait for more, until interrupted", short="-f"),
                Option("--tail", "LINES", "only the last lines", "-n"),
                Option("--since", "TIME", "only what is newer: 10m, or a time such as 14:30"),
            ),
            positional="ID",
            values=REFERENCE,
            least=1,
            most=1,
            example="%sandbox logs web -f",
        ),
        Command(
            "exec",
            "Run a command in a sandbox and return its exit code.",
            (Option("--detach", help="let it go on by itself, and return at once", short="-d"),),
            positional="ID",
            values=REFERENCE,
            least=1,
            most=1,
            tail=True,
            tail_needed=True,
            example="%sandbox exec web -- node --version",
        ),
        Command(
            "shell",
            "Open a shell of a sandbox: in a terminal of JupyterLab, or right here in IPython.",
            (
                Option("--new", help="another shell than the one that is there"),
                Option("--name", "NAME", "the shell of this name, from whoever has it"),
            ),
            positional="[ID]",
            values=REFERENCE,
            most=1,
            example="%sandbox shell web",
        ),
        Command(
            "ps",
            "List the commands that run in a sandbox, and the detached ones that ended last.",
            positional="ID",
            values=REFERENCE,
            least=1,
            most=1,
            example="%sandbox ps web",
        ),
        Command(
            "attach",
            "Show the output of a detached command, until it ends or you interrupt.",
            positional="ID PID",
            values=REFERENCE,
            least=2,
            most=2,
            example="%sandbox attach web 42",
        ),
        Command(
            "kill",
            "Signal a command and what it has started.",
            (Option("--signal", "NAME", "INT, TERM (the default), KILL …", short="-s"),),
            positional="ID PID",
            values=REFERENCE,
            least=2,
            most=2,
            example="%sandbox kill web 42 --signal INT",
        ),
        Command(
            "push",
            "Copy a file, or what is in a folder, into a sandbox.",
            (_GITIGNORE,),
            positional="LOCAL ID[:PATH]",
            values=REFERENCE,
            least=2,
            most=2,
            example="%sandbox push src web:src",
        ),
        Command(
            "pull",
            "Copy a file, or what is in a folder, out of a sandbox.",
            positional="ID[:PATH] [LOCAL]",
            values=REFERENCE,
            least=1,
            most=2,
            example="%sandbox pull web:results.csv",
        ),
        Command(
            "sync",
            "Copy into a sandbox what has changed in a folder.",
            (_GITIGNORE, Option("--delete", help="remove there what is not here")),
            positional="LOCAL ID[:PATH]",
            values=REFERENCE,
            least=2,
            most=2,
            example="%sandbox sync src web:src",
        ),
        Command(
            "files",
            "Show what is in a folder of a sandbox; `ls ID` does the same.",
            (Option("--recursive", help="also what is in the folders in it", short="-r"),),
            positional="ID[:PATH]",
            values=REFERENCE,
            least=1,
            most=1,
            example="%sandbox ls web:src",
        ),
        Command(
            "cat",
            "Show a file of a sandbox.",
            positional="ID:PATH",
            values=REFERENCE,
            least=1,
            most=1,
            example="%sandbox cat web:server.py",
        ),
        Command(
            "wait",
            "Wait until a sandbox is ready: port:3000, http:3000/health, log:REGEX, exec:COMMAND.",
            (Option("--timeout", "SECONDS", "60 unless said otherwise"),),
            positional="ID CONDITION",
            values=REFERENCE,
            least=2,
            most=2,
            example="%sandbox wait web http:3000/health",
        ),
        Command(
            "stats",
            "Show what sandboxes use: processors, memory, processes, network, disk.",
            (Option("--for", "SECONDS", "in a notebook: draw for so long, 10 at first"),),
            positional="[ID]",
            values=REFERENCE,
            most=1,
            example="%sandbox stats web",
        ),
        Command(
            "stop",
            "End sandboxes, with their containers and files.",
            (Option("--all", help="every sandbox that has not ended", short="-a"),),
            positional="ID…",
            values=REFERENCE,
            most=1000,
            example="%sandbox stop web",
        ),
        Command(
            "pause",
            "End sandboxes' containers and keep their files, to be resumed later.",
            (Option("--freeze", help="keep their processes too, standing still"),),
            positional="ID…",
            values=REFERENCE,
            least=1,
            most=1000,
            example="%sandbox pause web",
        ),
        Command(
            "resume",
            "Start the container of a paused sandbox again.",
            (Option("--secret", "NAME[=env:VAR|=file:PATH|=VALUE]", _KEPT, repeat=True),),
            positional="ID",
            values=REFERENCE,
            least=1,
            most=1,
            example="%sandbox resume web",
        ),
        Command(
            "extend",
            "Have a sandbox live at least so long from now: 90 (seconds), 30m, 2h, 1d.",
            positional="ID TIME",
            values=REFERENCE,
            least=2,
            most=2,
            example="%sandbox extend web 2h",
        ),
        Command(
            "snapshot",
            "Keep a sandbox's files under a name, for `create --from NAME`.",
            (Option("--replace", help="also if there is one of that name"),),
            positional="ID NAME",
            values=REFERENCE,
            least=2,
            most=2,
            example="%sandbox snapshot web ready",
        ),
        Command(
            "fork",
            "Start another sandbox like this one, with a copy of its files.",
            (Option("--name", "NAME", "a name for the new sandbox"),),
            positional="ID",
            values=REFERENCE,
            least=1,
            most=1,
            example="%sandbox fork web --name web2",
        ),
        Command(
            "snapshots",
            "Show what was kept by `snapshot`, or remove it.",
            positional="[rm NAME…]",
            most=1000,
            example="%sandbox snapshots rm ready",
        ),
        Command(
            "sql",
            "Ask sessions, events, execs and logs by SQL, for a DataFrame.",
            (Option("--rows", "NUMBER", "rows at most; 10,000"),),
            positional="QUERY",
            least=1,
            most=1000,
            example="%sandbox sql SELECT command, exit_code, duration FROM execs",
        ),
        Command("clean", "End the sandboxes whose lifetime is over.", example="%sandbox clean"),
        Command("engine", "Show which engine is in use and why.", example="%sandbox engine"),
        Command("templates", "Show what sandboxes can be made from."),
        Command(
            "dashboard",
            "Show all sandboxes, live, with all that one may do with them.",
            example="%sandbox dashboard",
        ),
        Command(
            "help",
            "Explain all this, or one sub-command.",
            positional="[COMMAND]",
            values=COMMAND,
            most=1,
        ),
    )
}
ALIASES: Final[Mapping[str, str]] = {"ls": "list", "-h": "help", "--help": "help"}


def invalid(cause: str, remedy: str = "") -> OrkeeError:
    """Return the error for a line that cannot be understood."""
    return OrkeeError("invalid_request", cause, remedy)


def parse(words: Sequence[str], commands: Mapping[str, Command] = COMMANDS) -> Arguments:
    """Return what the words behind ``%sandbox`` mean; without words, help.

    Raises OrkeeError ``invalid_request``, which names the nearest word that exists.
    """
    if not words:
        return Arguments("help")
    name = ALIASES.get(words[0], words[0])
    if words[0] == "ls" and words[1:] and not words[1].startswith("-"):
        name = "files"  # of the sandbox that is named
    command = commands.get(name)
    if command is None:
        raise invalid(
            f'There is no sub-command "{words[0]}".',
            _nearest(words[0], [*commands, "ls"]) or "`%sandbox help` lists them all.",
        )
    head, tail = _split(words[1:], command)
    if any(word in ("-h", "--help") for word in head):
        return Arguments("help", (command.name,))
    positional, options = _options(head, command)
    _check_counts(command, positional, tail)
    return Arguments(command.name, tuple(positional), options, tail)


def _split(words: Sequence[str], command: Command) -> tuple[Sequence[str], tuple[str, ...] | None]:
    if "--" not in words:
        return words, None
    at = list(words).index("--")
    tail = tuple(words[at + 1 :])
    if not command.tail:
        raise invalid(f"`{command.name}` takes no command behind `--`.", f"Usage: {command.usage}")
    if not tail:
        raise invalid("There is no command behind `--`.", f"Usage: {command.usage}")
    return words[:at], tail


def _options(
    words: Sequence[str], command: Command
) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    positional: list[str] = []
    options: dict[str, tuple[str, ...]] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or word == "-":
            positional.append(word)
            continue
        flag, has_value, value = word.partition("=")
        option = _find(flag, command)
        if not option.metavar:
            if has_value:
                raise invalid(f"`{flag}` takes no value.", f"Usage: {command.usage}")
        elif not has_value:
            value = next(rest, "")
            if not value or value.startswith("--"):
                raise invalid(f"`{flag}` needs a value: {option.metavar}.", _describe(option))
        if option.key in options and not option.repeat:
            raise invalid(f"`{flag}` was given twice.", "Give it once.")
        options[option.key] = (*options.get(option.key, ()), value)
    return positional, options


def _describe(option: Option) -> str:
    return f"`{option.flag} {option.metavar}`: {option.help}."


def _find(flag: str, command: Command) -> Option:
    for option in command.options:
        if flag in (option.flag, option.short):
            return option
    flags = [option.flag for option in command.options]
    raise invalid(
        f"`{command.name}` has no option `{flag}`.",
        _nearest(flag, flags) or f"Usage: {command.usage}",
    )


def _check_counts(
    command: Command, positional: Sequence[str], tail: tuple[str, ...] | None
) -> None:
    if 0 < len(positional) < command.least:
        raise invalid(f"`{command.name}` needs {command.positional}.", f"Usage: {command.usage}")
    if len(positional) < command.least:
        raise invalid(
            f"`{command.name}` needs the sandbox's id or name.",
            f"Give an id, the beginning of one, a name, or `_` for the last. "
            f"Usage: {command.usage}",
        )
    if len(positional) > command.most:
        extra = positional[command.most]
        hint = f"Put `--` before the command: {command.usage}" if command.tail else ""
        raise invalid(
            f'`{command.name}` does not expect "{extra}".', hint or f"Usage: {command.usage}"
        )
    if command.tail_needed and tail is None:
        raise invalid(f"`{command.name}` needs a command.", f"Usage: {command.usage}")


def _nearest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"Did you mean `{close[0]}`?" if close else ""
