"""Waiting until a sandbox serves: a port is listened on, or a page is answered."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from typing import Any, Final

from .activity import Activity
from .clock import within
from .conditions import Condition
from .errors import OrkeeError
from .limiter import check_end, explain
from .model import LogQuery, Sandbox
from .ports import Clock, Daemon, DaemonHub
from .refusals import label, not_active
from .registry import Entry
from .watch import exit_reason

LAST_LINES: Final = 20  # of the log that an error shows
RETRY: Final = 0.1  # seconds between two requests for a page
PATIENCE: Final = 5.0  # seconds for the answer to one request
MAPPED: Final = 50  # looks at the row for a port that is listened on
PAUSE: Final = 0.02  # seconds between two of them
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([2-5]\d\d)[ \r]")


class Waiter:
    """Waits for conditions that the server can see; the others are the client's to see."""

    def __init__(self, hub: DaemonHub, activity: Activity, clock: Clock) -> None:
        self._hub = hub
        self._activity = activity
        self._clock = clock

    async def wait(self, entry: Entry, condition: Condition, seconds: float) -> Sandbox:
        """Return the sandbox when the condition holds.

        Raises ``wait_timeout``, ``command_exited`` if the main command fails meanwhile,
        ``sandbox_lost`` if the sandbox ends, each with the last lines of the log;
        ``limit_exceeded`` if that was why.
        """
        daemon = entry.daemon
        if daemon is None:
            raise not_active(entry.sandbox)
        self._activity.renew(entry)
        try:
            await within(self._clock, seconds, self._race(entry, daemon, condition))
        except TimeoutError:
            raise OrkeeError(
                "wait_timeout",
                f"{seconds:g} s were not enough for {condition}.",
                "Look at the log, or wait longer.",
                details={"lines": await self._last_lines(entry.sandbox.id)},
            ) from None
        return entry.sandbox

    async def _race(self, entry: Entry, daemon: Daemon, condition: Condition) -> None:
        """Wait for the condition, or for what makes it vain."""
        waits: list[asyncio.Task[Any]] = [
            asyncio.ensure_future(self._until(entry, condition)),
            asyncio.ensure_future(self._lost(entry, daemon)),
        ]
        if entry.sandbox.command is not None and entry.sandbox.exit_code is None:
            waits.append(asyncio.ensure_future(self._failed(entry, daemon)))
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            (waits[0] if waits[0] in done else done.pop()).result()
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _until(self, entry: Entry, condition: Condition) -> None:
        ports = self._hub.ports(entry.sandbox.id)
        while True:
            listening = ports.listening
            while condition.port not in listening:
                listening = await ports.change(listening)
            if condition.kind == "port" or await self._answers(
                ports.connect(condition.port), condition
            ):
                await self._mapped(entry, condition.port)
                return
            await self._clock.sleep(RETRY)

    async def _mapped(self, entry: Entry, port: int) -> None:
        """Let the row catch up, which has its addresses a moment later; not for long."""
        for _ in range(MAPPED):
            if any(each.port == port and each.listening for each in entry.sandbox.port_map):
                return
            await self._clock.sleep(PAUSE)

    async def _answers(self, connection: socket.socket, condition: Condition) -> bool:
        """Whether a page is answered with success or a redirect."""
        try:
            return await within(self._clock, PATIENCE, _get(connection, condition))
        except (OSError, EOFError, asyncio.LimitOverrunError):  # a TimeoutError is an OSError
            return False

    async def _lost(self, entry: Entry, daemon: Daemon) -> None:
        reason = await daemon.lost()
        lost = OrkeeError(
            "sandbox_lost",
            f"The sandbox {label(entry.sandbox)} ended while it was waited for: {reason}.",
            "Create a new one; the log of this one says what it did last.",
            details={"lines": await self._last_lines(entry.sandbox.id)},
        )
        raise await explain(entry, lost)

    async def _failed(self, entry: Entry, daemon: Daemon) -> None:
        ended = await daemon.main_exit()
        if ended.exit_code == 0:
            await asyncio.get_running_loop().create_future()  # what it left behind may serve
        await check_end(entry, ended)
        raise OrkeeError(
            "command_exited",
            f"The {exit_reason(ended)} while it was waited for.",
            "Correct the command; the log's last lines say what was wrong.",
            details={
                "exit_code": ended.exit_code,
                "signal": ended.signal,
                "lines": await self._last_lines(entry.sandbox.id),
            },
        )

    async def _last_lines(self, sandbox_id: str) -> list[str]:
        data = bytearray()
        with contextlib.suppress(OrkeeError):
            async for entry in self._hub.logs(sandbox_id, LogQuery(tail=LAST_LINES)):
                data.extend(entry.data)
        return data.decode(errors="replace").splitlines()[-LAST_LINES:]


async def _get(connection: socket.socket, condition: Condition) -> bool:
    try:
        reader, writer = await asyncio.open_connection(sock=connection)
    except BaseException:
        connection.close()
        raise
    try:
        head = f"GET {condition.text} HTTP/1.1\r\nHost: 127.0.0.1:{condition.port}\r\n"
        writer.write(f"{head}Accept: */*\r\nConnection: close\r\n\r\n".encode())
        found = _STATUS.match(await reader.readuntil(b"\n"))
        return found is not None and int(found[1]) < 400
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
