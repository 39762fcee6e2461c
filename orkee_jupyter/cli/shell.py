"""``orkee sandbox shell``: a shell of a sandbox in this terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Annotated, Any, Final, Optional

import typer

from orkee_jupyter.sandbox.errors import OrkeeError

from . import raw, servers, values
from .output import cell
from .progress import Progress
from .report import EXEC_FAILED, reported
from .streams import Ref, open_stdin, run

if TYPE_CHECKING:
    from orkee_jupyter.client import Sandbox, Terminal

#: Seconds for which a server is looked for when the connection has broken.
PATIENCE: Final = 30.0
_PAUSE: Final = 0.2
_CLEAR: Final = b"\x1b[H\x1b[2J\x1b[3J"
#: What this terminal is like; nothing else of this environment goes along.
_TOLD: Final = ("TERM", "COLORTERM")
_ANY_SHELL: Final = (
    'for s in "$SHELL" bash sh; do command -v "$s" >/dev/null 2>&1 && exec "$s"; done'
)


@reported(EXEC_FAILED)
def shell(
    ctx: typer.Context,
    ref: Ref,
    words: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(metavar="COMMAND", help="Behind --, in place of a shell."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The shell of this name, from whoever has it.")
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Start another shell in any case.")] = False,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", "-e", metavar="KEY[=VALUE]", help="A variable; repeatable."),
    ] = None,
    cwd: Annotated[str | None, typer.Option("--cwd", "-w", help="Where to start it.")] = None,
) -> None:
    """Open a shell in a sandbox, in this terminal; exits with the shell's code.

    The shell goes on when this terminal is closed: called again, this goes on with the one that
    nobody is attached to. Enter ~ . detaches, exit ends it. Without a terminal as its input it
    reads commands from there: echo ls | orkee sandbox shell ID
    """
    command = values.command([*(words or []), *(ctx.obj or [])])
    variables = values.pairs("--env", env, inherit=True) if env else {}
    with Progress("asking the server"):
        sandbox = servers.get(ref)
    if sys.stdin is None or not os.isatty(sys.stdin.fileno()):
        options: dict[str, Any] = {"env": variables or None, "cwd": cwd, "timeout": None}
        options["stdin"] = open_stdin()
        raise typer.Exit(run(sandbox, command or ["sh", "-c", _ANY_SHELL], options))
    told = {key: os.environ[key] for key in _TOLD if os.environ.get(key)}
    rows, columns = raw.size()
    terminal = sandbox.terminal(
        command,
        rows=rows,
        columns=columns,
        name=name,
        new=new,
        env={**told, **variables},
        cwd=cwd,
    )
    raise typer.Exit(Screen(sandbox, terminal).run())


class Screen:
    """This terminal as that of a shell in a sandbox."""

    def __init__(self, sandbox: Sandbox, terminal: Terminal) -> None:
        self._sandbox = sandbox
        self._terminal = terminal
        self._keys = raw.Keys()
        self._modes = raw.Modes()
        self._detached = False

    def run(self) -> int:
        """Show the shell to its end, or until it is detached; return the exit code."""
        if self._terminal.reattached:
            self._say(f"back in shell {self._terminal.name}; Enter ~ . leaves it again")
        try:
            with raw.raw_mode():
                code = self._run()
        except raw.Ended as ended:
            self._leave()
            return 128 + ended.number
        except OrkeeError:
            self._leave()
            if not self._detached:
                raise
            code = 0
        if self._detached:
            self._say(f"detached: shell {self._terminal.name} goes on; {self._again()}")
        return code

    def _run(self) -> int:
        with raw.Watch(self._type, self._resize) as watch:
            threading.Thread(target=watch.run, name="orkee-keys", daemon=True).start()
            try:
                while True:
                    try:
                        return self._show()
                    except OrkeeError as error:
                        if self._detached or error.code != "server_unreachable":
                            raise
                        self._terminal = self._back(error)
                        self._resize()
            finally:
                self._terminal.close()

    def _show(self) -> int:
        """Write what the shell shows to its end, and return its exit code."""
        terminal = self._terminal
        while (piece := terminal.read()) is not None:
            self._modes.feed(piece[1])
            raw.write_all(sys.stdout.fileno(), piece[1])
        return terminal.exit_code or 0

    def _type(self, data: bytes) -> None:
        keys, detach = self._keys.feed(data)
        try:
            if keys:
                self._terminal.write(keys)
            if detach or not data:
                self._detached = True
                self._terminal.close()
        except OrkeeError:
            pass  # whoever reads hears of it too, and does something about it

    def _resize(self) -> None:
        with contextlib.suppress(OrkeeError):
            self._terminal.resize(*raw.size())

    def _back(self, lost: OrkeeError) -> Terminal:
        """Return the same shell over a new connection. Raises ``lost`` if there is none in time."""
        last, deadline = self._terminal, time.monotonic() + PATIENCE
        self._say("the connection broke; trying again …")
        while self._sandbox.is_reachable():
            try:
                rows, columns = raw.size()
                terminal = self._sandbox.terminal(
                    rows=rows, columns=columns, name=last.name, attach=True, seen=last.seen
                )
            except OrkeeError as error:
                if error.code != "server_unreachable":
                    raise
                if self._detached or time.monotonic() > deadline:
                    break
                time.sleep(_PAUSE)
                continue
            if terminal.replay:
                raw.write_all(sys.stdout.fileno(), self._modes.undo() + _CLEAR)
            return terminal
        raise lost  # if the server has ended, so have its shells

    def _leave(self) -> None:
        """Put the screen in order that the shell has left as it was."""
        with contextlib.suppress(OSError):
            raw.write_all(sys.stdout.fileno(), self._modes.undo() + b"\n")

    def _again(self) -> str:
        return f"orkee sandbox shell {cell(self._sandbox.short_id)} --name {self._terminal.name}"

    def _say(self, text: str) -> None:
        print(f"\r[orkee] {text}\r", file=sys.stderr, flush=True)
