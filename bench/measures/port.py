"""A port of a container, as a client on the host finds it."""

from __future__ import annotations

import socket
import time
from typing import Any

from .. import programs
from ..subjects import Box, Subject
from ..subjects.sdk import Sdk
from . import Figure, Measure, Sample

MB = 1_000_000
_BLOCK = bytes(1 << 20)


class Port(Measure):
    """Delay and throughput of one connection; the bare link beside it."""

    name = "port"
    needs = frozenset({"port", "link"})
    figures = (
        Figure("port_delay", "64 bytes through a port and back", "ms"),
        Figure("port_down", "out of a port", "MB/s", more=True),
        Figure("port_up", "into a port", "MB/s", more=True),
        Figure("link", "the forwarded link by itself, out", "MB/s", more=True),
    )

    def prepare(self, subject: Subject) -> Any:
        return None if isinstance(subject, Sdk) else subject.start(programs.SERVER, port=8000)

    def sample(self, subject: Subject, shared: Any) -> Sample:
        size = self.scale.size(256 * MB, 16 * MB, subject.share)
        if isinstance(subject, Sdk):
            return {"link": [size / MB / subject.link(size)]}
        return {
            "port_delay": _echo(shared, self.scale.size(50, 5)),
            "port_down": [size / MB / _down(shared, size)],
            "port_up": [size / MB / _up(shared, size)],
        }

    def finish(self, subject: Subject, shared: Any) -> None:
        if shared is not None:
            shared.stop()


def _dial(box: Box) -> socket.socket:
    """Connect to the server; what has just been started may not listen yet."""
    deadline = time.monotonic() + 20
    while True:
        try:
            peer = socket.create_connection(box.address(), 30)
            if peer.recv(1) == b"+":
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return peer
            peer.close()
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise RuntimeError("the server in the container does not answer")
        time.sleep(0.05)


def _echo(box: Box, times: int) -> list[float]:
    delays = []
    with _dial(box) as peer:
        peer.sendall(b"echo\n")
        for number in range(times + 5):
            begun = time.perf_counter()
            peer.sendall(bytes(64))
            left = 64
            while left:
                got = len(peer.recv(left))
                assert got, "the port was closed"
                left -= got
            if number >= 5:
                delays.append((time.perf_counter() - begun) * 1e3)
    return delays


def _down(box: Box, size: int) -> float:
    buffer = bytearray(1 << 20)
    with _dial(box) as peer:
        begun = time.perf_counter()
        peer.sendall(f"down {size}\n".encode())
        left = size
        while left:
            got = peer.recv_into(buffer)
            assert got, "the port was closed"
            left -= got
        return time.perf_counter() - begun


def _up(box: Box, size: int) -> float:
    with _dial(box) as peer:
        begun = time.perf_counter()
        peer.sendall(f"up {size}\n".encode())
        left = size
        while left:
            left -= peer.send(memoryview(_BLOCK)[: min(left, len(_BLOCK))])
        assert peer.recv(1) == b"!"
        return time.perf_counter() - begun
