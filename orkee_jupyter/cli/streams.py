"""``orkee sandbox exec`` and ``logs``: bytes from a sandbox to the real stdout and stderr."""

from __future__ import annotations

import base64
import json
import os
import stat
import sys
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Annotated, Any, Optional

import typer

from orkee_jupyter.sandbox.errors import OrkeeError

from . import servers, values
from .output import print_json
from .progress import Progress
from .report import EXEC_FAILED, reported

if TYPE_CHECKING:
    from orkee_jupyter.client import Sandbox
    from orkee_jupyter.sandbox.model import LogEntry

Ref = Annotated[str, typer.Argument(metavar="ID", help="An id, the beginning of one, or a name.")]


@reported(EXEC_FAILED)
def exec_(
    ctx: typer.Context,
    ref: Ref,
    words: Annotated[
        Optional[list[str]], typer.Argument(metavar="COMMAND", help="Behind --.")  # noqa: UP045
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", "-e", metavar="KEY[=VALUE]", help="A variable; repeatable."),
    ] = None,
    cwd: Annotated[str | None, typer.Option("--cwd", "-w", help="Where to run it.")] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds after which it is ended.")
    ] = None,
    no_stdin: Annotated[
        bool, typer.Option("--no-stdin", "-n", help="Leave a piped standard input alone.")
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Let it go on by itself, and print its PID.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run a command in a sandbox: orkee sandbox exec ID -- COMMAND...

    Output goes to stdout and stderr as it comes, a piped standard input to the command. The exit
    code is the command's own; 125 if it could not be run, 130 if it was interrupted.
    """
    command = values.command([*(words or []), *(ctx.obj or [])])
    if not command:
        raise typer.BadParameter("Give a command: orkee sandbox exec ID -- COMMAND")
    options: dict[str, Any] = {
        "env": values.pairs("--env", env, inherit=True) if env else None,
        "cwd": cwd,
        "timeout": timeout,
    }
    with Progress("asking the server"):
        sandbox = servers.get(ref)
    if detach:
        _print_detached(sandbox, command, options, as_json)
        return
    options["stdin"] = None if no_stdin else open_stdin()
    code = _print_result(sandbox, command, options) if as_json else run(sandbox, command, options)
    raise typer.Exit(code)


@reported()
def logs(
    ref: Ref,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the command ends.")
    ] = False,
    tail: Annotated[
        int | None, typer.Option("--tail", "-n", min=0, help="Only so many last lines.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only what is newer: 10m, 14:30, 2026-01-31T14:30.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print entries as JSON, one a line.")
    ] = False,
) -> None:
    """Print the log of a sandbox's main command, byte for byte, stderr apart."""
    begin = None if since is None else values.since(since)
    with Progress("asking the server"):
        sandbox = servers.get(ref)
    with sandbox.log_entries(follow=follow, tail=tail, since=begin) as entries:
        if as_json:
            _print_entries(entries)
        else:
            _copy_entries(entries)


def open_stdin() -> IO[bytes] | None:
    """Return what is piped in; None for a terminal, a device or nothing."""
    if sys.stdin is None:
        return None
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode):
        # Without a buffer: its lock, held by a read that waits, would be in the way of the end.
        return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    return None


def run(sandbox: Sandbox, command: list[str], options: dict[str, Any]) -> int:
    # Streamed to the command as it comes where there is something to stream.
    piped = options["stdin"] is not None
    running = sandbox.popen(command, **options) if piped else sandbox.stream(command, **options)
    with running as stream:
        for name, data in stream:
            write(name, data)
    if stream.exit is None:
        raise OrkeeError("internal", "The command's end was not told.", "Run it again.")
    if stream.exit.timed_out:
        print("The command was ended at its timeout.", file=sys.stderr)
    return stream.exit.exit_code


def _print_detached(
    sandbox: Sandbox, command: list[str], options: dict[str, Any], as_json: bool
) -> None:
    if options.pop("timeout") is not None:
        raise typer.BadParameter("A detached command has no --timeout; end it with kill.")
    process = sandbox.detach(command, **options)
    if as_json:
        print_json({"pid": process.pid})
    else:
        print(process.pid)


def _print_result(sandbox: Sandbox, command: list[str], options: dict[str, Any]) -> int:
    result = sandbox.exec(command, **options)
    print_json(
        {
            "exit_code": result.exit_code,
            "signal": result.signal,
            "timed_out": result.timed_out,
            "duration": result.duration,
            "stdout": result.stdout,
            "stderr": result.stderr,
        }
    )
    return result.exit_code


def _print_entries(entries: Iterable[LogEntry]) -> None:
    for entry in entries:
        line: dict[str, Any] = {"seq": entry.seq, "time": entry.time, "stream": entry.stream}
        if entry.stream == "dropped":
            line["bytes"] = entry.dropped
        else:
            try:
                line["text"] = entry.data.decode()
            except UnicodeDecodeError:
                line["base64"] = base64.b64encode(entry.data).decode()
        print(json.dumps(line), flush=True)


def _copy_entries(entries: Iterable[LogEntry]) -> None:
    for entry in entries:
        if entry.stream == "dropped":
            print(f"[{entry.dropped} bytes of the log are missing here]", file=sys.stderr)
        else:
            write(entry.stream, entry.data)


def write(stream: str, data: bytes) -> None:
    """Write bytes to the real stdout or stderr, at once."""
    target = (sys.stderr if stream == "stderr" else sys.stdout).buffer
    target.write(data)
    target.flush()
