"""``%sandbox ps``, ``attach`` and ``kill``: the commands that run in a sandbox."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..client import Background, OrkeeError, Sandbox
from .arguments import Arguments, invalid
from .cards import Bundle, ExitCode, Shown, cells, duration, message, table
from .saying import called, say
from .terminal import one_line

if TYPE_CHECKING:
    from .magics import SandboxMagics


class ProcessList(Shown, list[Background]):
    """The commands of a sandbox; shows itself as a table."""

    def __init__(self, processes: Iterable[Background] = ()) -> None:
        super().__init__(processes)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Bundle:
        if not self:
            return message("Nothing runs in it")
        rows = [
            [
                str(each.pid),
                one_line(f"{each.kind} {each.name}".rstrip(), 60),
                _state(each),
                duration(time.time() - each.started) if each.started else "",
                one_line(" ".join(each.command), 120),
            ]
            for each in self
        ]
        return table(("PID", "KIND", "STATE", "AGE", "COMMAND"), rows, [cells(r) for r in rows])


def _state(process: Background) -> str:
    end = process.exit
    if end is None:
        return "● runs"
    return f"{'○' if end.exit_code == 0 else '✕'} exit code {end.exit_code}"


def ps(magics: SandboxMagics, arguments: Arguments, names: Mapping[str, Any]) -> ProcessList:
    """List the commands of a sandbox."""
    return ProcessList(magics.find(arguments.words[0], names).processes())


def attach(magics: SandboxMagics, arguments: Arguments, names: Mapping[str, Any]) -> Any:
    """Show a detached command's output to its end; return its exit code."""
    sandbox = magics.find(arguments.words[0], names)
    process = _named(sandbox, arguments.words[1])
    read_all = f"orkee sandbox attach {sandbox.short_id} {process.pid} > output.txt"
    try:
        with magics.writer(read_all) as writer, process.attach() as stream:
            for name, data in stream:
                writer.feed(name, data)
    except KeyboardInterrupt:
        say(f"Interrupted: process {process.pid} goes on, its output is not shown further.")
        return None
    if stream.exit is None:
        raise OrkeeError("internal", "The command's end was not told.", "Attach to it again.")
    return ExitCode(stream.exit.exit_code, stream.exit.signal, stream.exit.duration)


def kill(magics: SandboxMagics, arguments: Arguments, names: Mapping[str, Any]) -> None:
    """Signal a command's process group."""
    sandbox = magics.find(arguments.words[0], names)
    name = (arguments.one("signal") or "TERM").upper().removeprefix("SIG")
    process = _named(sandbox, arguments.words[1])
    process.signal(name)
    say(f"Sent SIG{one_line(name, 20)} to process {process.pid} of {called(sandbox)}.")


def detach(sandbox: Sandbox, command: list[str]) -> Background:
    """Start a command by itself, and say how to look at it."""
    process = sandbox.detach(command)
    say(
        f"Process {process.pid} runs in {called(sandbox)} by itself: "
        f"`%sandbox attach {sandbox.short_id} {process.pid}` shows its output."
    )
    return process


def _named(sandbox: Sandbox, word: str) -> Background:
    if not (word.isascii() and word.isdigit() and len(word) < 10):
        raise invalid(f'"{one_line(word, 40)}" is no PID.', "`%sandbox ps ID` lists them.")
    return sandbox.process(int(word))
