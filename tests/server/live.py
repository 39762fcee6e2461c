"""A client of the live websocket, whose every message is checked against the document."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

from jsonschema import Draft202012Validator
from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import ConnectionClosed

from orkee_jupyter.server.openapi import document
from tests.server.conftest import BASE, TOKEN

_COMPONENTS = document("/")["components"]
ANSWER = Draft202012Validator(
    {"$ref": "#/components/schemas/LiveAnswer", "components": _COMPONENTS}
)


class Live:
    """What a panel or a kernel has: an open live websocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.rows: dict[str, Any] = {}
        self.got: list[dict[str, Any]] = []

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def next(self, kind: str, *, where: Callable[[Any], bool] = lambda _: True) -> Any:
        """Return the next message of a kind that is as wanted; rows of others are noted."""
        async with asyncio.timeout(10):
            while True:
                message = json.loads(await self.socket.recv())
                ANSWER.validate(message)
                self.got.append(message)
                for row in message.get("sandboxes", ()):
                    self.rows[row["id"]] = row
                if message["type"] == kind and where(message):
                    return message

    async def row(self, wanted: Callable[[Any], bool]) -> Any:
        """Return a row that is as wanted, as soon as there is one."""
        while not (found := [row for row in self.rows.values() if wanted(row)]):
            await self.next("sandboxes")
        return found[0]

    async def closed(self) -> tuple[list[Any], int | None]:
        """Return all that still comes, and the code of the end."""
        rest = []
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    rest.append(json.loads(await self.socket.recv()))
        return rest, self.socket.close_code


@contextlib.asynccontextmanager
async def opened(port: int, way: str = "tcp", **options: Any) -> AsyncIterator[Live]:
    """Open a live websocket to a server of the tests."""
    if way == "unix":
        connecting = unix_connect(
            os.environ["ORKEE_SOCKET"], "ws://orkee/orkee/api/live", **options
        )
    else:
        options.setdefault("additional_headers", {"Authorization": f"token {TOKEN}"})
        url = f"ws://127.0.0.1:{port}{BASE}orkee/api/live"
        connecting = connect(url, proxy=None, max_size=None, **options)
    async with connecting as socket:
        yield Live(socket)
