"""``%%sandbox run``: the cell's text runs in a sandbox, in one of the languages."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ..client import Exit, OrkeeError, Process, Sandbox
from ..client.languages import LANGUAGES
from . import values
from .arguments import CODE_LANGUAGE, REFERENCE, Arguments, Command, Option, invalid
from .cards import ExitCode
from .errors import SandboxInterrupted
from .output import CellWriter
from .own import sandbox_for
from .saying import called, say
from .terminal import one_line

if TYPE_CHECKING:
    from .magics import SandboxMagics

COMMAND: Final = Command(
    "run",
    "Run the text of the cell in a sandbox and return the exit code.",
    (
        Option("--lang", "LANGUAGE", "its language: " + ", ".join(LANGUAGES), values=CODE_LANGUAGE),
        Option("--timeout", "SECONDS", "end it after so long"),
        Option("--cwd", "FOLDER", "where it runs"),
        Option("--env", "KEY=VALUE", "an environment variable", "-e", repeat=True),
        Option("--into", "NAME", "put what it prints into a Python variable, as text"),
        Option("--check", help="fail the cell if the exit code is not 0"),
        Option("--no-check", help="let the cell succeed all the same, where --check is the rule"),
    ),
    positional="[ID]",
    values=REFERENCE,
    most=1,
    example="%%sandbox run web --lang bash --check",
    cell=True,
)
#: Seconds after an interrupt in which a program that heeds it should have ended.
_HEED: Final = 0.7
#: Seconds that a killed program's end is waited for.
_END: Final = 0.6


def run(magics: SandboxMagics, arguments: Arguments, text: str, names: Mapping[str, Any]) -> Any:
    """Run a cell; return its exit code."""
    into = arguments.one("into")
    if into is not None and not into.isidentifier():
        raise invalid(f'"{into}" is no name of a variable.', "Give it as `--into result`.")
    options = {
        "env": values.pairs("--env", arguments.all("env")) or None,
        "cwd": arguments.one("cwd"),
        "timeout": values.seconds("--timeout", arguments.one("timeout")),
    }
    lang = arguments.one("lang")
    sandbox = sandbox_for(magics, arguments, lang or "bash", names)
    with sandbox.popen_code(text, lang or _template_language(arguments), **options) as process:
        watched = Watched(process, magics.writer(_read_all(sandbox)), into is not None)
        end = watched.follow()
    if into is not None:
        magics.put(into, watched.captured.decode("utf-8", "replace"))
    if watched.interrupts:
        raise SandboxInterrupted(_interrupted(sandbox, end))
    if end is None:
        raise OrkeeError("internal", "The end of the cell's code was not told.", "Run it again.")
    if end.timed_out:
        say(f"Ended at its timeout of {arguments.one('timeout')} s.")
    checked = arguments.has("check") or (magics.check and not arguments.has("no_check"))
    if checked and end.exit_code != 0:
        raise _failed(end)
    return ExitCode(end.exit_code, end.signal, end.duration)


def _template_language(arguments: Arguments) -> str | None:
    """Return None for the language of a sandbox that was named; ours is a shell's."""
    return None if arguments.words else "bash"


class Watched:
    """A program whose output is shown, and which an interrupt of the cell reaches."""

    def __init__(self, process: Process, writer: CellWriter, capture: bool = False) -> None:
        self.interrupts = 0
        self.captured = bytearray()
        self._process = process
        self._writer = writer
        self._capture = capture
        self._deadline: float | None = None  # for an answer to the last interrupt

    def follow(self) -> Exit | None:
        """Show output to the program's end and return it; None if it was left behind.

        The first interrupt of the cell is SIGINT for the program's group, the second SIGKILL.
        """
        with self._writer as writer:
            while True:
                try:
                    while (piece := self._next()) is not None:
                        if self._capture and piece[0] == "stdout":
                            self.captured += piece[1]
                        else:
                            writer.feed(*piece)
                    return self._process.exit
                except KeyboardInterrupt:
                    self._interrupt()
                except TimeoutError:
                    if self.interrupts > 1:
                        return None
                    self._deadline = None
                    say("Interrupted, but the program goes on. Interrupt once more to kill it.")

    def _next(self) -> tuple[str, bytes] | None:
        if self._deadline is None:
            return self._process.read()
        left = self._deadline - time.monotonic()
        if left <= 0:  # a program that goes on writing never lets the read wait
            raise TimeoutError
        return self._process.read(left)

    def _interrupt(self) -> None:
        self.interrupts += 1
        first = self.interrupts == 1
        self._deadline = time.monotonic() + (_HEED if first else _END)
        self._process.signal("INT" if first else "KILL")


def _failed(end: Exit) -> OrkeeError:
    return OrkeeError(
        "command_failed",
        f"The cell's code ended with {_end(end)}.",
        "What it said stands above.",
        details={"exit_code": end.exit_code, "signal": end.signal, "timed_out": end.timed_out},
    )


def _interrupted(sandbox: Sandbox, end: Exit | None) -> str:
    how = "the program was killed" if end is None else f"the program ended with {_end(end)}"
    return f"Interrupted: {how}, {called(sandbox)} goes on running."


def _end(end: Exit) -> str:
    code = f"exit code {end.exit_code}"
    return f"{code}, by SIG{one_line(end.signal, 20)}" if end.signal else code


def _read_all(sandbox: Sandbox) -> str:
    return f"orkee sandbox exec {shlex.quote(sandbox.short_id)} -- COMMAND > output.txt"
