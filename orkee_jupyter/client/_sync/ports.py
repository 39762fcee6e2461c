# Generated from ../_async/ports.py by scripts/unasync.py. Do not edit.
"""The ports of a sandbox, and waiting until it does what it is for."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self, cast

from orkee_jupyter.sandbox.conditions import DEFAULT_WAIT, Condition, parse_condition
from orkee_jupyter.sandbox.errors import OrkeeError

from .. import transport
from ..record import SandboxRecord
from ..results import LineAssembler, sandbox_of
from ..waiting import pause
from .connection import Connection

if TYPE_CHECKING:
    from .sandbox import Sandbox

_POLL = 0.2  # seconds between two looks
_TAIL = 20  # lines of the log shown with a failure


class PortSandbox(SandboxRecord):
    """The part of a sandbox that has to do with its ports."""

    _connection: Connection

    def proxy_link(self, port: int, *, full: bool = False) -> str:
        """Return a link to a port through the server that needs no login, for an hour or so.

        A full URL where the server was given by one, else its path on the server: a page of
        Jupyter's knows the rest. With ``full`` it is then the URL for programs and browsers on
        the server's own machine. Whoever has the link gets in: it lasts while it is used, a day
        at most.
        """
        path = transport.sandbox_path(self.id, "ports", str(int(port)), "link")
        answer = self._connection.call("POST", path)
        found = transport.on_server(self._connection.address, str(answer.get("path", "")))
        return str(answer.get("url", found)) if full and found.startswith("/") else found

    def wait_for(self, condition: str, timeout: float = DEFAULT_WAIT) -> Self:
        """Wait until the sandbox is ready, ask for its facts anew, and return this same object.

        ``port:3000`` is listened on; ``http:3000/health`` is answered without an error;
        ``log:REGEX`` matches a line of the log, from its beginning on; ``exec:COMMAND`` ends
        with code 0. ``timeout`` in seconds. Raises OrkeeError ``wait_timeout``,
        ``command_exited`` or ``sandbox_lost``, with the log's last ``lines`` in its details.
        """
        parsed = parse_condition(condition)
        sandbox = cast("Sandbox", self)
        if parsed.kind == "log":
            _until(sandbox, parsed, timeout, _LogLooker(sandbox, parsed).look)
        elif parsed.kind == "exec":
            _until(sandbox, parsed, timeout, _ExecLooker(sandbox, parsed).look)
        else:
            _ask(sandbox, condition, timeout)
        sandbox.refresh()
        return self

    def wait_for_all(self, conditions: str | Sequence[str], timeout: float = DEFAULT_WAIT) -> Self:
        """Wait for one condition after the other, ``timeout`` seconds in all."""
        deadline = time.monotonic() + timeout
        for each in [conditions] if isinstance(conditions, str) else conditions:
            self.wait_for(each, max(0.1, deadline - time.monotonic()))
        return self


def _ask(sandbox: Sandbox, condition: str, timeout: float) -> None:
    """Have the server wait."""
    path = transport.sandbox_path(sandbox.id, "wait")
    body = {"for": condition, "timeout": timeout}
    lines = sandbox._connection.lines("POST", path, body=body, timeout=transport.FOLLOW)
    try:
        for line in lines:
            sandbox_of(line)
            return
    finally:
        lines.close()
    raise sandbox._connection.broken()


def _until(
    sandbox: Sandbox, condition: Condition, timeout: float, look: Callable[[float], Any]
) -> None:
    """Look again and again. ``look`` gets the seconds that are left."""
    deadline = time.monotonic() + timeout
    while True:
        sandbox.refresh()  # first: what is seen after it is the end's last word
        if look(max(0.1, deadline - time.monotonic())):
            return
        if sandbox.status not in ("creating", "active"):
            reason = f": {sandbox.reason}" if sandbox.reason else ""
            cause = f"The sandbox is {sandbox.status}{reason}."
            raise _failure(sandbox, "sandbox_lost", cause, "Create a new one.")
        if condition.kind == "log" and sandbox.exit_code is not None:
            cause = f"The command ended with exit code {sandbox.exit_code} without such a line."
            remedy = "Correct the command, or what is looked for."
            raise _failure(sandbox, "command_exited", cause, remedy)
        if time.monotonic() >= deadline:
            cause = f"{timeout:g} s were not enough for {condition}."
            remedy = "Look at the log, or wait longer."
            raise _failure(sandbox, "wait_timeout", cause, remedy)
        pause(_POLL)


def _failure(sandbox: Sandbox, code: str, cause: str, remedy: str) -> OrkeeError:
    """Return an error with the last lines of the log."""
    lines: list[str] = []
    for line in sandbox.logs(tail=_TAIL):
        lines.append(line)
    return OrkeeError(code, cause, remedy, details={"lines": lines[-_TAIL:]})


class _LogLooker:
    """Looks for a line in what the log has more than at the last look."""

    def __init__(self, sandbox: Sandbox, condition: Condition) -> None:
        self._sandbox = sandbox
        self._expression = re.compile(condition.text)
        self._lines = LineAssembler()
        self._after = 0

    def look(self, _: float) -> bool:
        """Return whether a new line matches."""
        with self._sandbox.log_entries(after=self._after) as entries:
            for entry in entries:
                self._after = entry.seq
                if any(self._expression.search(line) for line in self._lines.feed(entry)):
                    return True
        return False


class _ExecLooker:
    """Runs a command until it succeeds."""

    def __init__(self, sandbox: Sandbox, condition: Condition) -> None:
        self._sandbox = sandbox
        self._command = condition.text

    def look(self, left: float) -> bool:
        """Return whether the command ends with code 0 in the time that is left."""
        try:
            result = self._sandbox.exec(self._command, timeout=left)
        except OrkeeError as error:
            if error.code in ("sandbox_lost", "sandbox_not_active"):
                return False  # the next look at the sandbox says why
            raise
        return result.ok and not result.timed_out
