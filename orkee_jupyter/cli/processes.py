"""``orkee sandbox ps``, ``attach`` and ``kill``: the commands that run in a sandbox."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from orkee_jupyter.sandbox.errors import OrkeeError

from . import servers
from .output import cell, print_json, print_table
from .progress import Progress
from .report import EXEC_FAILED, reported
from .streams import Ref, write

Pid = Annotated[int, typer.Argument(metavar="PID", min=1, help="Its number, as ps shows it.")]


@reported()
def ps(
    ref: Ref, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List the commands that run in a sandbox, and the detached ones that ended last."""
    with Progress("asking the server"):
        found = servers.get(ref).processes()
    if as_json:
        print_json([process.data for process in found])
        return
    rows = []
    for process in found:
        end = process.exit
        state = "runs" if end is None else f"exit code {end.exit_code}"
        age = f"{max(0, int(time.time() - process.started))} s"
        kind = cell(f"{process.kind} {process.name}".rstrip())
        rows.append((process.pid, kind, state, age, " ".join(map(cell, process.command))))
    if rows:
        print_table(("PID", "KIND", "STATE", "AGE", "COMMAND"), rows)
    else:
        print("Nothing runs in it")


@reported(EXEC_FAILED)
def attach(ref: Ref, pid: Pid) -> None:
    """Print a detached command's output to its end, and exit with its code.

    Begins with what is kept of it. Ctrl-C ends the printing, not the command.
    """
    with Progress("asking the server"):
        sandbox = servers.get(ref)
    with sandbox.process(pid).attach() as stream:
        for name, data in stream:
            write(name, data)
    if stream.exit is None:
        raise OrkeeError("internal", "The command's end was not told.", "Attach to it again.")
    raise typer.Exit(stream.exit.exit_code)


@reported()
def kill(
    ref: Ref,
    pid: Pid,
    signal: Annotated[
        str, typer.Option("--signal", "-s", metavar="NAME", help="INT, TERM, KILL and the like.")
    ] = "TERM",
) -> None:
    """Signal a command in a sandbox, and what it has started."""
    with Progress("asking the server"):
        servers.get(ref).process(pid).signal(signal.upper().removeprefix("SIG"))
