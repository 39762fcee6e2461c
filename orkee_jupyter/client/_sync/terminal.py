# Generated from ../_async/terminal.py by scripts/unasync.py. Do not edit.
"""A terminal in a sandbox, in the hands of Python code: a shell that lives on by its name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

from .. import transport
from ..discovery import may_answer
from ..record import SandboxRecord
from ..waiting import in_thread
from .connection import Connection
from .process import Process


class Terminal(Process):
    """A terminal, as ``Sandbox.terminal()`` opens it; ``read()`` gives what it shows.

    To leave the context manager, or ``close()``, leaves the shell to itself; under its
    ``name`` it is found again. Somebody else who attaches to it takes it over: what waits
    then raises OrkeeError ``terminal_taken``.
    """

    def __init__(self, connection: Connection, path: str, start: Mapping[str, Any]) -> None:
        super().__init__(connection, path, start)
        self.name = ""  #: of the terminal in the sandbox
        self.reattached = False  #: whether it ran before
        self.replay = 0  #: bytes that bring a fresh screen to where the shell was
        self.seen = 0  #: bytes of its output that were read, from its begin on
        self._stdin_ended = False

    def read(self, timeout: float | None = None) -> tuple[str, Any] | None:
        """Return the next ``("stdout", bytes)``, None when the shell has ended.

        Raises TimeoutError after ``timeout`` seconds, and OrkeeError ``terminal_taken``,
        ``sandbox_lost`` or ``server_unreachable``.
        """
        piece = super().read(timeout)
        if piece is not None:
            old = min(self._old, len(piece[1]))
            self._old -= old
            self.seen += len(piece[1]) - old
        return piece

    def resize(self, rows: int, columns: int) -> None:
        """Set its size in characters."""
        self._send(json.dumps({"type": "resize", "rows": rows, "columns": columns}))

    def end_stdin(self) -> None:
        """Send the character that ends the input of a program that reads lines, Ctrl-D."""
        self.write(b"\x04")

    def __enter__(self) -> Self:
        return self

    def _tell(self, body: dict[str, Any]) -> bool:
        """Take what a text message says; return whether it is the last one."""
        if body.get("type") == "started":
            self.name = str(body["name"])
            self.reattached = body["reattached"] is True
            self.replay = self._old = int(body["replay"])
            self.seen = int(body["position"])
        return super()._tell(body)


class TerminalSandbox(SandboxRecord):
    """A sandbox's terminals."""

    _connection: Connection

    def terminal(
        self,
        command: Sequence[str] = (),
        *,
        rows: int = 24,
        columns: int = 80,
        name: str | None = None,
        new: bool = False,
        attach: bool = False,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        seen: int = 0,
    ) -> Terminal:
        """Open a terminal, or attach to one that runs; without a command it is a shell.

        One of that ``name`` is attached to, whoever has it; without a name and a command the
        newest that nobody is attached to, if any. ``new`` starts one in any case, ``attach``
        never. With the bytes ``seen`` of its output it goes on behind them, if they are kept
        (256 KiB are). Raises OrkeeError ``terminal_not_found``, ``terminal_exists``,
        ``too_many_terminals``, ``command_not_found``.
        """
        given: dict[str, Any] = {
            "command": list(command) or None,
            "name": name,
            "new": new or None,
            "attach": attach or None,
            "env": dict(env) if env else None,
            "cwd": cwd,
            "seen": seen or None,
        }
        start: dict[str, Any] = {"tty": True, "rows": rows, "columns": columns}
        start |= {key: value for key, value in given.items() if value is not None}
        path = transport.sandbox_path(self.id, "exec")
        return Terminal(self._connection, path, start).open()

    def is_reachable(self) -> bool:
        """Return False if the server ran on this machine and has ended."""
        address = self._connection.address
        return address is not None and in_thread(may_answer, address)

    def show_terminal(self, name: str | None = None, *, new: bool = False) -> dict[str, Any]:
        """Have the server show a shell of the sandbox in a terminal of its own.

        Returns that one's ``name`` and the ``path`` of its page. One that shows this
        sandbox already is used again, unless ``new`` says otherwise; ``name`` is that of the
        shell. Raises OrkeeError ``no_terminals`` where the server has none.
        """
        body = {key: value for key, value in (("name", name), ("new", new)) if value}
        path = transport.sandbox_path(self.id, "terminal")
        answer = self._connection.call("POST", path, body=body)
        return dict(answer["terminal"])
