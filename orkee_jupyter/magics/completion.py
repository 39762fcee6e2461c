"""Tab behind ``%sandbox``: sub-commands, flags, ids, names and templates."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from ..client import Client
from ..client.discovery import locate
from ..client.languages import LANGUAGES
from .arguments import (
    ALIASES,
    CODE_LANGUAGE,
    COMMAND,
    COMMANDS,
    REFERENCE,
    STATUS,
    STATUSES,
    TEMPLATE,
    Command,
)
from .cells import CELL_COMMANDS

_LINE: Final = re.compile(
    r"\s*(?:[\w.,\s\[\]'\"]+=\s*)?(%{0,2})sandbox\s+(?P<rest>.*)\Z", re.DOTALL
)
#: Shown where no server can be asked.
_BUILT_IN: Final = ("debian", "node", "node-web", "python")
_PATIENCE: Final = 0.9  # seconds: Tab answers within one
_FRESH: Final = {REFERENCE: 2.0, TEMPLATE: 30.0}  # seconds that an answer is used again

#: Returns the words of a kind ("reference" or "template") that the server knows.
Source = Callable[[str], Sequence[str]]


def from_server(kind: str) -> Sequence[str]:
    """Return the words of a kind from a server that runs; none is started for a Tab."""
    if locate() is None:
        return _BUILT_IN if kind == TEMPLATE else ()
    with Client() as client:
        if kind == TEMPLATE:
            return [str(template["name"]) for template in client.templates()]
        live = client.list(status=("creating", "active", "paused"))
        return [*(s.name for s in live if s.name), *(s.short_id for s in live)]


class Lookup:
    """Words of a server, asked for in a thread and waited for less than a second.

    What comes later, or was known before, is used at the next Tab.
    """

    def __init__(self, source: Source = from_server, patience: float = _PATIENCE) -> None:
        self._source = source
        self._patience = patience
        self._known: dict[str, tuple[float, Sequence[str]]] = {}
        self._running: dict[str, threading.Thread] = {}

    def words(self, kind: str) -> Sequence[str]:
        """Return the words of a kind, as far as they are known in time. Never raises."""
        asked_at, known = self._known.get(kind, (0.0, ()))
        if asked_at and time.monotonic() - asked_at < _FRESH[kind]:
            return known
        thread = self._running.get(kind)
        if thread is None or not thread.is_alive():
            thread = threading.Thread(
                target=self._ask, args=(kind,), name="orkee-completion", daemon=True
            )
            self._running[kind] = thread
            thread.start()
        thread.join(self._patience)
        return self._known.get(kind, (0.0, ()))[1]

    def _ask(self, kind: str) -> None:
        with contextlib.suppress(Exception):  # a Tab without an answer is no error
            self._known[kind] = (time.monotonic(), self._source(kind))


def candidates(
    rest: str, words_of: Source, commands: Mapping[str, Command] = COMMANDS
) -> list[str]:
    """Return what may stand at the end of ``rest``, the text behind ``%sandbox``."""
    *before, current = re.split(r"\s+", rest.lstrip())
    if not before:
        return [*commands, "ls"] if commands is COMMANDS else list(commands)
    command = commands.get(ALIASES.get(before[0], before[0]))
    if command is None or "--" in before:
        return []
    flag, has_value, _ = current.partition("=")
    if has_value:
        return _values_of(command, flag, words_of)
    if before[1:] and before[-1].startswith("-") and _takes_value(command, before[-1]):
        return _values_of(command, before[-1], words_of)
    if current.startswith("-"):
        given = set(before)
        flags = [o.flag for o in command.options if o.repeat or o.flag not in given]
        return [*flags, "--"] if command.tail else flags
    words = [] if _is_full(command, before[1:]) else _words(command.values, words_of)
    return [word for word in words if word not in before[1:]]


def _takes_value(command: Command, flag: str) -> bool:
    return any(flag in (option.flag, option.short) and option.metavar for option in command.options)


def _values_of(command: Command, flag: str, words_of: Source) -> list[str]:
    for option in command.options:
        if flag in (option.flag, option.short):
            return _words(option.values, words_of)
    return []


def _is_full(command: Command, before: Sequence[str]) -> bool:
    positional = 0
    for at, word in enumerate(before):
        is_value = at > 0 and _takes_value(command, before[at - 1])
        positional += not word.startswith("-") and not is_value
    return positional >= command.most


def _words(kind: str, words_of: Source) -> list[str]:
    fixed: Mapping[str, Sequence[str]] = {
        STATUS: STATUSES,
        COMMAND: tuple(COMMANDS),
        CODE_LANGUAGE: tuple(LANGUAGES),
        "": (),
    }
    return list(fixed[kind]) if kind in fixed else list(words_of(kind))


def matcher(shell: Any, lookup: Lookup) -> Callable[[CompletionContext], dict[str, Any]]:
    """Return a matcher for ``shell.Completer.custom_matchers``. It never raises."""

    @context_matcher(identifier="orkee.sandbox")  # type: ignore[untyped-decorator]  # IPython
    def match(context: CompletionContext) -> dict[str, Any]:
        found: list[str] = []
        line = _LINE.match(context.text_until_cursor)
        # Without the percent sign it is the magic only where no variable has its name.
        if line and (line.group(1) or "sandbox" not in shell.user_ns):
            of_cell = line.group(1) == "%%"
            with contextlib.suppress(Exception):  # a broken Tab must not break typing
                if not of_cell:
                    found = candidates(line["rest"], lookup.words)
                elif "\n" not in line["rest"]:  # below its first line it is the cell's text
                    found = candidates(line["rest"], lookup.words, CELL_COMMANDS)
        matches = [word for word in dict.fromkeys(found) if word.startswith(context.token)]
        completions = [SimpleCompletion(word, type="magic") for word in matches]
        return {"completions": completions, "suppress": bool(matches), "ordered": True}

    return match  # type: ignore[no-any-return]
