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
from ..waiting import async_pause
from .connection import AsyncConnection

if TYPE_CHECKING:
    from .sandbox import AsyncSandbox

_POLL = 0.2  # seconds between two looks
_TAIL = 20  # lines of the log shown with a failure


class AsyncPortSandbox(SandboxRecord):
    """The part of a sandbox that has to do with its ports."""

    _connection: AsyncConnection

    async def proxy_link(self, port: int, *, full: bool = False) -> str:
        """Return a link to a port through the server that needs no login, for an hour or so.

        A full URL where the server was given by one, else its path on the server: a page of
        Jupyter's knows the rest. With ``full`` it is then the URL for programs and browsers on
        the server's own machine. Whoever has the link gets in: it lasts while it is used, a day
        at most.
        """
        path = transport.sandbox_path(self.id, "ports", str(int(port)), "link")
        answer = await self._connection.call("POST", path)
        found = transport.on_server(self._connection.address, str(answer.get("path", "")))
        return str(answer.get("url", found)) if full and found.startswith("/") else found

    async def wait_for(self, condition: str, timeout: float = DEFAULT_WAIT) -> Self:
        """Wait until the sandbox is ready, ask for its facts anew, and return this same object.

        ``port:3000`` is listened on; ``http:3000/health`` is answered without an error;
        ``log:REGEX`` matches a line of the log, from its beginning on; ``exec:COMMAND`` ends
        with code 0. ``timeout`` in seconds. Raises OrkeeError ``wait_timeout``,
        ``command_exited`` or ``sandbox_lost``, with the log's last ``lines`` in its details.
        """
        parsed = parse_condition(condition)
        sandbox = cast("AsyncSandbox", self)
        if parsed.kind == "log":
            await _until(sandbox, parsed, timeout, _LogLooker(sandbox, parsed).look)
        elif parsed.kind == "exec":
            await _until(sandbox, parsed, timeout, _ExecLooker(sandbox, parsed).look)
        else:
            await _ask(sandbox, condition, timeout)
        await sandbox.refresh()
        return self

    async def wait_for_all(
        self, conditions: str | Sequence[str], timeout: float = DEFAULT_WAIT
    ) -> Self:
        """Wait for one condition after the other, ``timeout`` seconds in all."""
        deadline = time.monotonic() + timeout
        for each in [conditions] if isinstance(conditions, str) else conditions:
            await self.wait_for(each, max(0.1, deadline - time.monotonic()))
        return self


async def _ask(sandbox: AsyncSandbox, condition: str, timeout: float) -> None:
    """Have the server wait."""
    path = transport.sandbox_path(sandbox.id, "wait")
    body = {"for": condition, "timeout": timeout}
    lines = sandbox._connection.lines("POST", path, body=body, timeout=transport.FOLLOW)
    try:
        async for line in lines:
            sandbox_of(line)
            return
    finally:
        await lines.aclose()
    raise sandbox._connection.broken()


async def _until(
    sandbox: AsyncSandbox, condition: Condition, timeout: float, look: Callable[[float], Any]
) -> None:
    """Look again and again. ``look`` gets the seconds that are left."""
    deadline = time.monotonic() + timeout
    while True:
        await sandbox.refresh()  # first: what is seen after it is the end's last word
        if await look(max(0.1, deadline - time.monotonic())):
            return
        if sandbox.status not in ("creating", "active"):
            reason = f": {sandbox.reason}" if sandbox.reason else ""
            cause = f"The sandbox is {sandbox.status}{reason}."
            raise await _failure(sandbox, "sandbox_lost", cause, "Create a new one.")
        if condition.kind == "log" and sandbox.exit_code is not None:
            cause = f"The command ended with exit code {sandbox.exit_code} without such a line."
            remedy = "Correct the command, or what is looked for."
            raise await _failure(sandbox, "command_exited", cause, remedy)
        if time.monotonic() >= deadline:
            cause = f"{timeout:g} s were not enough for {condition}."
            remedy = "Look at the log, or wait longer."
            raise await _failure(sandbox, "wait_timeout", cause, remedy)
        await async_pause(_POLL)


async def _failure(sandbox: AsyncSandbox, code: str, cause: str, remedy: str) -> OrkeeError:
    """Return an error with the last lines of the log."""
    lines: list[str] = []
    async for line in sandbox.logs(tail=_TAIL):
        lines.append(line)
    return OrkeeError(code, cause, remedy, details={"lines": lines[-_TAIL:]})


class _LogLooker:
    """Looks for a line in what the log has more than at the last look."""

    def __init__(self, sandbox: AsyncSandbox, condition: Condition) -> None:
        self._sandbox = sandbox
        self._expression = re.compile(condition.text)
        self._lines = LineAssembler()
        self._after = 0

    async def look(self, _: float) -> bool:
        """Return whether a new line matches."""
        async with self._sandbox.log_entries(after=self._after) as entries:
            async for entry in entries:
                self._after = entry.seq
                if any(self._expression.search(line) for line in self._lines.feed(entry)):
                    return True
        return False


class _ExecLooker:
    """Runs a command until it succeeds."""

    def __init__(self, sandbox: AsyncSandbox, condition: Condition) -> None:
        self._sandbox = sandbox
        self._command = condition.text

    async def look(self, left: float) -> bool:
        """Return whether the command ends with code 0 in the time that is left."""
        try:
            result = await self._sandbox.exec(self._command, timeout=left)
        except OrkeeError as error:
            if error.code in ("sandbox_lost", "sandbox_not_active"):
                return False  # the next look at the sandbox says why
            raise
        return result.ok and not result.timed_out
