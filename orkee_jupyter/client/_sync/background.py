# Generated from ../_async/background.py by scripts/unasync.py. Do not edit.
"""Commands that run in a sandbox by themselves: detached, or started by somebody else."""

from __future__ import annotations

from typing import Any

from orkee_jupyter.sandbox.model import Exit

from .. import transport
from ..results import to_exit
from .connection import Connection
from .streams import ExecStream


class Background:
    """A command in a sandbox as ``processes()`` lists it and ``detach()`` starts it.

    ``kind`` is "main" for the sandbox's own command, "exec" for one that somebody listens
    to, "detached" for one that runs by itself, "terminal" for a shell.
    """

    def __init__(self, connection: Connection, sandbox_id: str, data: dict[str, Any]) -> None:
        self._connection = connection
        self._sandbox_id = sandbox_id
        self._data = data

    @property
    def data(self) -> dict[str, Any]:
        """The REST ``process`` object itself."""
        return self._data

    @property
    def pid(self) -> int:
        """Its number in the sandbox."""
        return int(self._data["pid"])

    @property
    def command(self) -> list[str]:
        """Its words, long ones cut."""
        return [str(word) for word in self._data.get("command") or []]

    @property
    def kind(self) -> str:
        """ "main", "exec", "detached" or "terminal"."""
        return str(self._data.get("kind", ""))

    @property
    def name(self) -> str:
        """That of a terminal, "" of any other command."""
        return str(self._data.get("name") or "")

    @property
    def started(self) -> float:
        """When it was started, in seconds since 1970 by the container's clock."""
        return float(self._data.get("started") or 0.0)

    @property
    def exit(self) -> Exit | None:
        """How it had ended when this was asked, None if it ran."""
        ended = self._data.get("exit")
        return None if ended is None else to_exit(ended)

    def signal(self, name: str = "TERM") -> None:
        """Signal its process group, by name: INT, TERM, KILL … Raises ``process_not_found``."""
        self._connection.call("POST", self._path("signal"), body={"signal": name})

    def attach(self) -> ExecStream:
        """Return its output to iterate over: what is kept of it (256 KiB), then what comes.

        Afterwards ``exit`` says how it ended. To leave the iteration ends nothing. Only a
        detached command can be attached to; for another ``process_not_found`` is raised.
        """
        return ExecStream(self._connection, self._path("attach"), None, method="GET")

    def __repr__(self) -> str:
        state = "runs" if self.exit is None else f"exit code {self.exit.exit_code}"
        return f"<{type(self).__name__} {self.pid} {self.kind} {' '.join(self.command)!r} {state}>"

    def _path(self, verb: str) -> str:
        return transport.sandbox_path(self._sandbox_id, "processes", str(self.pid), verb)
