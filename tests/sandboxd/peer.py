"""A scripted sandboxd: says what a test tells it to, right or wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from orkee_jupyter.sandbox.ports import Endpoint
from orkee_jupyter.sandboxd import frames

PATIENCE = 5.0  # seconds


class Peer:
    """One connection of a daemon's."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def dial(cls, endpoint: Endpoint) -> Peer:
        """Connect, and say nothing yet."""
        if endpoint.socket_path is not None:
            return cls(*await asyncio.open_unix_connection(endpoint.socket_path))
        assert endpoint.address is not None
        host, port = endpoint.address.rsplit(":", 1)
        return cls(*await asyncio.open_connection(host, int(port)))

    @classmethod
    async def greet(cls, endpoint: Endpoint, kind: str, token: str | None = None) -> Peer:
        """Connect and say HELLO."""
        peer = await cls.dial(endpoint)
        peer.hello(kind, endpoint.token if token is None else token)
        return peer

    def hello(self, kind: str, token: str, protocol: int = 1) -> None:
        """Say HELLO."""
        self.json(frames.HELLO, {"protocol": protocol, "kind": kind, "token": token})

    def raw(self, data: bytes) -> None:
        """Send bytes."""
        self._writer.write(data)

    def json(self, kind: int, body: dict[str, Any]) -> None:
        """Send a frame of JSON."""
        self.raw(frames.encode_json(kind, body))

    def data(self, channel: int, data: bytes) -> None:
        """Send a DATA frame."""
        self.raw(frames.encode_data(channel, data))

    def log(self, seq: int, data: bytes, channel: int = 1, time_us: int = 1_000_000) -> None:
        """Send a LOG frame."""
        header = frames.LOG_HEADER.pack(seq, time_us, channel)
        self.raw(frames.encode(frames.LOG, header + data))

    async def drain(self) -> None:
        """Wait until the socket takes more."""
        async with asyncio.timeout(PATIENCE):
            await self._writer.drain()

    async def receive(self) -> tuple[int, bytes]:
        """Return the next frame as (kind, payload)."""
        async with asyncio.timeout(PATIENCE):
            header = await self._reader.readexactly(4)
            return header[0], await self._reader.readexactly(int.from_bytes(header[1:], "big"))

    async def expect(self, kind: int) -> bytes:
        """Return the payload of the next frame, which must be of that kind."""
        got, payload = await self.receive()
        assert got == kind, f"expected 0x{kind:02x}, got 0x{got:02x} {payload!r}"
        return payload

    async def expect_json(self, kind: int) -> dict[str, Any]:
        """Return the JSON of the next frame."""
        body: dict[str, Any] = json.loads(await self.expect(kind))
        return body

    async def expect_end(self) -> None:
        """Wait until the server closes the connection."""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                while await self._reader.read(65536):
                    pass

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


class ScriptedDaemon:
    """A control connection, a log stream and stream connections when asked."""

    def __init__(self, endpoint: Endpoint, control: Peer, log: Peer) -> None:
        self.endpoint = endpoint
        self.control = control
        self.log = log
        self._peers = [control, log]

    @classmethod
    async def connect(cls, endpoint: Endpoint) -> ScriptedDaemon:
        """Connect, and answer the OPEN of the log."""
        control = await Peer.greet(endpoint, "control")
        await control.expect_json(frames.WELCOME)
        daemon = cls(endpoint, control, await Peer.greet(endpoint, "stream"))
        await daemon.accept_log(daemon.log)
        return daemon

    async def accept_log(self, peer: Peer) -> dict[str, Any]:
        """Answer the OPEN of the log on a stream connection; return the request."""
        asked = await peer.expect_json(frames.OPEN)
        assert asked["kind"] == "log"
        peer.json(frames.OPENED, {"credit": 0})
        return asked

    async def stream(self) -> Peer:
        """Put a connection into the reserve."""
        peer = await Peer.greet(self.endpoint, "stream")
        self._peers.append(peer)
        return peer

    async def answer(self, **body: Any) -> dict[str, Any]:
        """Answer the next request; return it."""
        while True:
            kind, payload = await self.control.receive()
            if kind == frames.REQUEST:
                break
            self.control.raw(frames.encode(frames.PONG, payload))
        asked: dict[str, Any] = json.loads(payload)
        self.control.json(frames.REPLY, {"id": asked["id"], **body})
        return asked

    async def close(self) -> None:
        """Close every connection, as the end of a container does."""
        for peer in self._peers:
            await peer.close()
