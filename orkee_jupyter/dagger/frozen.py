"""A container that the native engine's supervisor has frozen, until it is thawed."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Final

from ..sandbox.errors import OrkeeError

#: Seconds for a thaw: twice what the supervisor takes at most.
THAW_TIMEOUT: Final = 10.0
_LINE: Final = 4096


class NativeFrozen:
    """Implements :class:`orkee_jupyter.sandbox.ports.Frozen` on a connection to the supervisor.

    Whoever closes the connection thaws the container, also by dying.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._thawed = False

    async def thaw(self) -> None:
        """Let the processes go on. Raises OrkeeError ``engine_lost``, ``engine_failed``."""
        if self._thawed:
            return
        self._thawed = True
        loop = asyncio.get_running_loop()
        with self._connection as connection:
            try:
                async with asyncio.timeout(THAW_TIMEOUT):
                    await loop.sock_sendall(connection, b"thaw\n")
                    answer = json.loads(await loop.sock_recv(connection, _LINE))
            except (OSError, ValueError) as error:  # TimeoutError is the former
                raise OrkeeError("engine_lost", "The engine ended while it was frozen.") from error
        if not answer.get("ok"):
            reason = answer.get("error", "no reason was given")
            raise OrkeeError("engine_failed", f"The container was not thawed: {reason}.")
