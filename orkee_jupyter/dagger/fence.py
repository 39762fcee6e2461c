"""A network policy that the native engine's supervisor keeps."""

from __future__ import annotations

import socket


class NativeFence:
    """Implements :class:`orkee_jupyter.sandbox.ports.Fence` on a connection to the supervisor.

    The rules hold until the container ends, whoever closes the connection; as long as it is
    open the names in them are looked up again.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    async def release(self) -> None:
        """Let go."""
        self._connection.close()
