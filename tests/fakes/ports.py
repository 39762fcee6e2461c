"""A port map without sockets: hosts' ports are numbers, connections are socket pairs."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable

from orkee_jupyter.sandbox.errors import OrkeeError


class HostPorts:
    """The ports of a fake host, which all its sandboxes share."""

    def __init__(self) -> None:
        self.taken: set[int] = set()
        self._free = itertools.count(40_000)

    def take(self, wanted: int | None, same: int | None) -> int:
        if wanted in self.taken:
            raise OrkeeError("port_taken", f"The port {wanted} of this host is taken.")
        if wanted is None:
            wanted = same if same is not None and same not in self.taken else next(self._free)
        self.taken.add(wanted)
        return wanted


class FakePortMap:
    """A ``PortMap`` whose sandbox listens on what the test says."""

    def __init__(self, host: HostPorts) -> None:
        self._host = host
        self._listening: frozenset[int] = frozenset()
        self._changed = asyncio.Event()
        self.open: dict[int, int] = {}
        self.peers: list[tuple[int, socket.socket]] = []  # the sandbox's ends of connections
        self.used: Callable[[], None] = lambda: None

    @property
    def listening(self) -> frozenset[int]:
        return self._listening

    def hear(self, *ports: int) -> None:
        """Have programs in the sandbox listen on these ports."""
        self._listening = frozenset(ports)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def change(self, known: frozenset[int]) -> frozenset[int]:
        while self._listening == known:
            await self._changed.wait()
        return self._listening

    def listen(self, port: int, host_port: int | None = None, *, same: bool = False) -> int:
        if port not in self.open:
            self.open[port] = self._host.take(host_port, port if same else None)
        return self.open[port]

    async def unlisten(self, port: int) -> None:
        if port in self.open:
            self._host.taken.discard(self.open.pop(port))

    def connect(self, port: int) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        if port in self._listening:
            self.peers.append((port, theirs))
        else:
            theirs.close()
        return ours

    def close(self) -> None:
        """Be gone with the sandbox."""
        for _, peer in self.peers:
            peer.close()
        self._host.taken -= set(self.open.values())
        self.open.clear()
