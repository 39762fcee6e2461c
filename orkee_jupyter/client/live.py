"""The server's live websocket, and requests below its interface, for one who hands them on.

What passes here is not looked into: the text messages of both directions, and JSON bodies.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any

from orkee_jupyter.problems import to_problem
from orkee_jupyter.sandbox.errors import OrkeeError

from . import sockets, transport
from ._async.connection import AsyncConnection
from .discovery import Address, locate
from .waiting import async_in_thread

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

__all__ = ["Carrier", "LiveSocket", "count_active", "open_live", "to_problem"]

PATH = "live"


class Carrier(AsyncConnection):
    """A connection for calls of somebody else's."""

    async def put(self, path: str, body: AsyncIterator[bytes]) -> dict[str, Any]:
        """Send bytes as they come, and return the JSON object of the answer."""
        response, address = await self._send(
            "PUT", path, None, (), transport.TRANSFER, content=body
        )
        try:
            with transport.translated(address):
                return transport.decode(await response.aread())
        finally:
            await response.aclose()


class LiveSocket:
    """An open live websocket. Nothing more is read from the server while nobody iterates."""

    def __init__(self, socket: ClientConnection, address: Address) -> None:
        self._socket = socket
        self._address = address

    async def send(self, text: str) -> None:
        """Send a text message. Raises OrkeeError ``server_unreachable`` once it is closed."""
        with sockets.translated(self._address):
            await self._socket.send(text)

    async def texts(self) -> AsyncGenerator[str]:
        """Yield the server's text messages until the server closes in order.

        Raises OrkeeError ``server_unreachable`` where the connection breaks.
        """
        with sockets.translated(self._address):
            async for message in self._socket:
                if isinstance(message, str):
                    yield message


@contextlib.asynccontextmanager
async def open_live(connection: AsyncConnection) -> AsyncIterator[LiveSocket]:
    """Give the live websocket of the server that the connection finds or starts.

    Raises OrkeeError ``server_unreachable``, or as the server refuses.
    """
    address = await connection.reach()
    with sockets.translated(address):
        socket = await sockets.async_open_socket(address, PATH)
    try:
        yield LiveSocket(socket, address)
    finally:
        await socket.close()


async def count_active(url: str | None = None, token: str | None = None) -> int | None:
    """Return how many sandboxes are active; None where no server runs or it does not say."""
    connection = AsyncConnection(url, token)
    try:
        if await async_in_thread(locate, url, token) is None:
            return None
        params = [("status", "active"), ("limit", "200")]
        answer: dict[str, Any] = await connection.call("GET", "sandbox", params=params)
        found = answer.get("sandboxes")
        return len(found) if isinstance(found, list) else None
    except OrkeeError:
        return None
    finally:
        await connection.aclose()
