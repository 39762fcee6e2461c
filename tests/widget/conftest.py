"""A server's end for the kernel's part of a dashboard: answers in memory, a real websocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest_asyncio
from websockets.asyncio.server import ServerConnection, unix_serve

from orkee_jupyter.client import OrkeeError
from orkee_jupyter.client.discovery import Address, from_socket
from orkee_jupyter.widget.limiter import Limiter
from orkee_jupyter.widget.messages import decode
from orkee_jupyter.widget.view import View


async def eventually(ready: Callable[[], Any]) -> Any:
    """Return what a condition gives once it is fulfilled."""
    async with asyncio.timeout(10):
        while not (found := ready()):  # noqa: ASYNC110 (conditions of many kinds)
            await asyncio.sleep(0.002)
    return found


class Server:
    """Stands for a connection to a server; what it is asked is in ``asked``."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self.asked: list[tuple[str, str, Any]] = []
        self.put_bodies: list[bytes] = []
        self.file = b""
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.failure: OrkeeError | None = None
        self.left = 0  # calls that were given up

    async def call(self, method: str, path: str, *, body: object = None) -> dict[str, Any]:
        self.asked.append((method, path, body))
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.left += 1
            raise
        if self.failure is not None:
            raise self.failure
        return {"success": True, "path": path}

    async def download(self, path: str) -> AsyncGenerator[bytes]:
        self.asked.append(("GET", path, None))
        for begin in range(0, len(self.file), 50_000):
            yield self.file[begin : begin + 50_000]

    async def put(self, path: str, body: AsyncIterator[bytes]) -> dict[str, Any]:
        self.asked.append(("PUT", path, None))
        pieces = [piece async for piece in body]
        self.put_bodies.append(b"".join(pieces))
        return {"success": True, "received": len(self.put_bodies[-1])}

    async def reach(self) -> Address:
        return from_socket(self._socket)


class Page:
    """What a view says, and all that is said to it."""

    def __init__(self, server: Server) -> None:
        self.messages: list[Mapping[str, Any]] = []
        self.view = View("v", server, Limiter(), self._publish)  # type: ignore[arg-type]

    def _publish(self, message: Mapping[str, Any]) -> None:
        self.messages.append(json.loads(json.dumps(message)))

    def say(self, kind: str, number: int, **content: Any) -> None:
        self.view.take(decode({"view": "v", "kind": kind, "id": number, **content}))

    @property
    def items(self) -> list[dict[str, Any]]:
        return [item for message in self.messages for item in message["items"]]

    def of(self, kind: str, number: int) -> list[dict[str, Any]]:
        return [each for each in self.items if each["kind"] == kind and each.get("id") == number]

    async def until(self, ready: Callable[[], Any]) -> Any:
        return await eventually(ready)

    async def answer(self, number: int) -> dict[str, Any]:
        found: list[dict[str, Any]] = await self.until(lambda: self.of("answer", number))
        return found[-1]


class LiveServer:
    """A server's live websocket: sends what it is told to, keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.to_send: list[str] = []
        self.sent = 0
        self.connections = 0
        self.close_first = False

    async def serve(self, socket: ServerConnection) -> None:
        self.connections += 1
        try:
            for text in self.to_send:
                await socket.send(text)
                self.sent += 1
            if self.close_first:
                return
            async for text in socket:
                self.heard.append(str(text))
        finally:
            self.connections -= 1


@pytest_asyncio.fixture
async def live_server(tmp_path: Path) -> AsyncIterator[LiveServer]:
    made = LiveServer()
    async with unix_serve(made.serve, str(tmp_path / "s"), compression=None):
        yield made


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> Server:
    return Server(tmp_path / "s")


@pytest_asyncio.fixture
async def page(server: Server) -> AsyncIterator[Page]:
    made = Page(server)
    yield made
    await made.view.close()
