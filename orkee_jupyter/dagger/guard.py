"""Limits that the native engine's supervisor enforces from outside, by a cgroup."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Awaitable, Mapping
from typing import Any, Final

from ..sandbox.model import Limits
from ..sandbox.ports import Counted

log = logging.getLogger(__name__)

#: The supervisor's name of each limit, and ours.
_NAMES: Final = {"memory": "memory", "pids": "pids", "cpu": "cpus"}
_BREACHES: Final = ("memory", "pids")
_LINE: Final = 4096


def params(sandbox_id: str, limits: Limits) -> dict[str, Any]:
    """Return what the supervisor is asked for."""
    return {
        "sandbox": sandbox_id,
        "memory": limits.memory or 0,
        "pids": limits.pids or 0,
        "cpus": limits.cpus or 0,
    }


def kinds(answer: Mapping[str, Any]) -> frozenset[str]:
    """Return the limits that the supervisor says it enforces."""
    told = answer.get("kinds")
    return frozenset(_NAMES[kind] for kind in told or () if kind in _NAMES)


class NativeGuard:
    """Implements :class:`orkee_jupyter.sandbox.ports.Guard` on a connection to the supervisor.

    The limits hold as long as the connection is open, and for what is left of the container
    after that. Belongs to the loop that makes it.
    """

    def __init__(self, connection: socket.socket, enforced: frozenset[str]) -> None:
        loop = asyncio.get_running_loop()
        self.kinds = enforced
        self._connection = connection
        self._last = Counted()
        self._broken: asyncio.Future[str] = loop.create_future()
        self._waiters: list[asyncio.Future[None]] = []
        self._reading = loop.create_task(self._read())

    def broken(self) -> Awaitable[str]:
        """Wait for a limit to be broken; gives "memory" or "pids"."""
        return asyncio.shield(self._broken)

    async def counted(self) -> Counted:
        """Return what the kernel has counted; the last known once the supervisor is gone."""
        loop = asyncio.get_running_loop()
        if not self._reading.done():
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiters.append(waiter)
            with contextlib.suppress(OSError):
                await loop.sock_sendall(self._connection, b"usage\n")
                await waiter
        return self._last

    async def release(self) -> None:
        """Let go; the supervisor removes the cgroup with the container's end."""
        self._reading.cancel()
        await asyncio.wait({self._reading})
        self._connection.close()

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        rest = b""
        try:
            while data := await loop.sock_recv(self._connection, _LINE):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._take(json.loads(line))
        except (OSError, ValueError) as error:
            log.warning("The engine's supervisor does not watch over a sandbox any more: %s", error)
        finally:
            self._wake()

    def _take(self, told: Mapping[str, Any]) -> None:
        breach = told.get("breach")
        kind = breach if breach in _BREACHES else None
        self._last = Counted(kind, float(told.get("throttled", 0.0)))
        if kind is not None and not self._broken.done():
            self._broken.set_result(kind)
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
