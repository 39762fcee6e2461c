"""``/live`` as a websocket: what changes is pushed, as long as somebody looks.

JSON in text messages, both ways; the reference has them. The server's first message is the
whole truth, so a client that lost the connection opens another and is right again.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from tornado import web, websocket

from ..problems import to_problem
from ..sandbox.errors import OrkeeError
from .api_handlers import RESOURCE
from .base import OrkeeHandler, authorized
from .live_connection import LiveConnection

#: Bytes of one message from a client.
MESSAGE_LIMIT: Final = 64 * 1024
#: Seconds that a message may wait for a client to take it, before the connection is given up.
PATIENCE: Final = 60.0
PING: Final = 20.0


class LiveHandler(websocket.WebSocketHandler, OrkeeHandler):
    """``/live``: the owner's sandboxes, their stats and logs, and the engine, as they change."""

    def initialize(self) -> None:
        super().initialize()
        self._connection: LiveConnection | None = None
        self._is_open = False  # or was

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self) -> None:  # type: ignore[override]  # as it is decorated
        manager = await self.manager()
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            raise OrkeeError(
                "invalid_request", "This is no websocket handshake.", "Open a websocket."
            )
        self._connection = LiveConnection(
            self.owner,
            self.context,
            manager,
            self._send,
            lambda sandbox: self.sandbox_json(manager, sandbox),
            lambda: self.close(1001),
        )
        await super().get()

    # -- what the mixture of a websocket and a REST handler needs -------------

    def check_origin(self, origin: str = "") -> bool:
        """Return whether the page that asks may: REST's own rule, which has been held once."""
        return OrkeeHandler.check_origin(self, origin)

    def on_connection_close(self) -> None:
        """The client went away."""
        if not self._is_open:
            OrkeeHandler.on_connection_close(self)
        else:
            websocket.WebSocketHandler.on_connection_close(self)

    @property
    def max_message_size(self) -> int:
        return MESSAGE_LIMIT

    @property
    def ping_interval(self) -> float | None:
        return PING

    @property
    def ping_timeout(self) -> float | None:
        """A reader that is slow answers late: it is not closed for that."""
        return 0

    # -- the websocket's life ----------------------------------------------

    def open(self, *_: Any) -> None:
        assert self._connection is not None
        self._is_open = True
        self._connection.begin()

    async def on_message(self, message: str | bytes) -> None:
        """Take what the client says; what is no JSON object ends the connection."""
        assert self._connection is not None
        body = _object(message)
        if body is not None:
            await self._connection.take(body)
            return
        error = OrkeeError(
            "invalid_request", "A message is not a JSON object.", "Send text messages of JSON."
        )
        self._connection.end()
        try:
            await self._send({"type": "problem", "id": None, "problem": to_problem(error)})
        except ConnectionError:
            return
        self.close(1003)

    def on_close(self) -> None:
        if self._connection is not None:
            self._connection.end()
        self._count_end()

    async def _send(self, message: dict[str, Any]) -> None:
        """Send a message; return when the socket has taken it. Raises ConnectionError."""
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
        try:
            # As a task: to cancel it would leave tornado with a write that nobody awaits.
            writing = asyncio.ensure_future(self.write_message(text.encode(errors="replace")))
        except websocket.WebSocketClosedError as error:
            raise ConnectionError from error
        writing.add_done_callback(_seen)
        done, _ = await asyncio.wait({writing}, timeout=PATIENCE)
        if not done:
            self._give_up()
            raise ConnectionError
        if writing.cancelled() or writing.exception() is not None:
            raise ConnectionError

    def _give_up(self) -> None:
        """Cut a connection whose client takes nothing: it is told all anew when it comes back."""
        connection = self.ws_connection
        if connection is not None:
            connection._abort()  # a close frame would wait behind what is not taken


def _seen(writing: asyncio.Future[None]) -> None:
    """Look at how a write ended: nobody else does if its sender was cancelled."""
    if not writing.cancelled():
        writing.exception()


def _object(message: str | bytes) -> dict[str, Any] | None:
    if isinstance(message, bytes):
        return None
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
