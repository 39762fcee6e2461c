"""Terminals in a sandbox: shells that live on when nobody is attached to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..sandbox.errors import OrkeeError
from ..sandbox.model import ExecRequest, TerminalRequest
from ..sandbox.terminals import terminal_error
from . import frames
from .connection import Connection
from .execute import ExecStream, start_error
from .frames import ProtocolError
from .stream import number

_LONGEST = 1 << 53  # bytes: what a JSON number holds exactly


class TerminalStream(ExecStream):
    """A terminal; see :class:`orkee_jupyter.sandbox.ports.TerminalStream`. Closing ends nothing."""

    channels = frozenset({frames.STDOUT})
    ends = channels

    def __init__(
        self, connection: Connection, request: TerminalRequest, window: int = frames.WINDOW
    ) -> None:
        self._terminal = request
        #: Its name in the sandbox, whether it ran before, where in its output what is new
        #: begins, and how many bytes of what was come before that.
        self.name = ""
        self.reattached = False
        self.position = 0
        self.replay = 0
        command = request.command or ("a shell",)
        super().__init__(connection, ExecRequest(command, cwd=request.cwd, stdin=True), window)
        self._reset_error = self._refusal

    def _refusal(self, code: str, message: str) -> OrkeeError:
        request = self._terminal
        if code == "command_not_found" and not request.command:
            return OrkeeError(
                "command_not_found",
                "The sandbox's image has no shell.",
                "Name a command that it has: orkee sandbox shell ID COMMAND.",
            )
        name = request.command[0] if request.command else "a shell"
        return terminal_error(code, request.name) or start_error(code, message, name, request.cwd)

    async def start(self, timeout: float) -> None:
        """Have the terminal opened. Raises as :meth:`Stream.open`."""
        body = await self.open(self.opening(), timeout)
        self.pid = number(body, "pid", 1, 2**31)
        self.name = str(body["name"])
        self.reattached = body.get("reattached") is True
        self.position = body.get("position", 0)
        self.replay = body.get("replay", 0)

    def opening(self) -> dict[str, Any]:
        """Return what OPEN says."""
        request = self._terminal
        return {
            "kind": "terminal",
            "command": list(request.command),
            "env": dict(request.env),
            "cwd": request.cwd,
            "name": request.name or "",
            "new": request.new,
            "attach": request.attach,
            "rows": request.rows,
            "columns": request.columns,
            "after": request.seen,
        }

    def check_opened(self, body: Mapping[str, Any]) -> None:
        """Check the pid, the name and the numbers."""
        super().check_opened(body)
        name = body.get("name")
        if not isinstance(name, str) or not (name.isascii() and name.isprintable()):
            raise ProtocolError("its 'name' is not that of a terminal")
        if not 0 < len(name) <= 32:
            raise ProtocolError("its 'name' is too long or empty")
        for key in ("position", "replay"):
            number({key: 0, **body}, key, 0, _LONGEST)

    async def resize(self, rows: int, columns: int) -> None:
        """Set the terminal's size in characters."""
        frame = frames.encode_json(frames.RESIZE, {"rows": rows, "columns": columns})
        if not self._over:
            self._connection.write(frame)

    async def end_stdin(self) -> None:
        """Do nothing: a terminal has no end of its input but a character."""
