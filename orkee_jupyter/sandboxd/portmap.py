"""Loopback listeners of this host, each joined with a port of one sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Callable

from ..sandbox.errors import OrkeeError
from .daemon import Daemon
from .splice import break_off, splice

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
#: Connections of one sandbox's ports at once; further ones are broken off.
MAX_CONNECTIONS = 500
_BACKLOG = 256
_PAUSE = 0.2  # seconds without accepting, where descriptors are used up


class PortMap:
    """The listeners of one sandbox. Belongs to one event loop."""

    def __init__(self, sandbox_id: str, daemon: Daemon, *, is_direct: bool) -> None:
        self._sandbox_id = sandbox_id
        self._daemon = daemon
        self._is_direct = is_direct
        self._listeners: dict[int, tuple[socket.socket, asyncio.Task[None]]] = {}
        self._connections: set[asyncio.Task[None]] = set()
        #: Called when bytes flow, at most once a second for each connection.
        self.used: Callable[[], None] = lambda: None

    @property
    def listening(self) -> frozenset[int]:
        """The ports that programs in the sandbox listen on, as its daemon last said."""
        return self._daemon.listening.ports

    async def change(self, known: frozenset[int]) -> frozenset[int]:
        """Return ``listening`` as soon as it is another set than ``known``."""
        return await self._daemon.listening.change(known)

    def listen(self, port: int, host_port: int | None = None, *, same: bool = False) -> int:
        """Listen for a port of the sandbox and return the port of the host.

        ``host_port`` is the one wanted; without it a free one is chosen, with ``same``
        the number of the sandbox's port if that is free. Raises ``port_taken``.
        """
        if port in self._listeners:
            return int(self._listeners[port][0].getsockname()[1])
        listener = _bind(port, host_port, same=same)
        accepting = asyncio.get_running_loop().create_task(self._accept(listener, port))
        self._listeners[port] = listener, accepting
        return int(listener.getsockname()[1])

    async def unlisten(self, port: int) -> None:
        """Listen for a port no more; its connections go on. Does nothing if there is none."""
        if port in self._listeners:
            listener, accepting = self._listeners.pop(port)
            accepting.cancel()
            await asyncio.wait({accepting})
            listener.close()

    def connect(self, port: int) -> socket.socket:
        """Return a non-blocking socket of this process that leads to a port of the sandbox.

        It is broken off if the port can't be reached.
        """
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
        self._carry(port, theirs, is_guarded=False)
        return ours

    async def close(self) -> None:
        """Close every listener and break every connection. May be called twice."""
        for port in list(self._listeners):
            await self.unlisten(port)
        connections = set(self._connections)
        for task in connections:
            task.cancel()
        if connections:
            await asyncio.wait(connections)

    async def _accept(self, listener: socket.socket, port: int) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError as error:
                if error.errno not in (errno.ECONNABORTED, errno.EINTR):
                    logger.warning("sandbox %s: port %d: %s", self._sandbox_id, port, error)
                    await asyncio.sleep(_PAUSE)
                continue
            self._carry(port, client, is_guarded=True)

    def _carry(self, port: int, client: socket.socket, *, is_guarded: bool) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            break_off(client)
            client.close()
            return
        task = asyncio.get_running_loop().create_task(
            self._splice(port, client, is_guarded=is_guarded)
        )
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        # A task that was cancelled before its first step has closed nothing.
        task.add_done_callback(lambda _: client.close())

    async def _splice(self, port: int, client: socket.socket, *, is_guarded: bool) -> None:
        try:
            await splice(
                self._daemon,
                port,
                client,
                is_direct=self._is_direct,
                is_guarded=is_guarded,
                used=self.used,
            )
        except (OrkeeError, OSError) as error:
            logger.debug("sandbox %s: port %d: %s", self._sandbox_id, port, error)
        except Exception:
            logger.exception("sandbox %s: port %d: a connection failed", self._sandbox_id, port)


def _bind(port: int, wanted: int | None, *, same: bool) -> socket.socket:
    """Return a listener on this host's loopback. Raises ``port_taken``."""
    if wanted is None:
        # A number below 1024 may be bound by root only, and is not what anybody meant.
        if same and port >= 1024:
            with contextlib.suppress(OSError):
                return _listener(port)
        wanted = 0
    try:
        return _listener(wanted)
    except OSError as error:
        what = {errno.EADDRINUSE: "is taken", errno.EACCES: "may not be used"}
        raise OrkeeError(
            "port_taken",
            f"The port {wanted} of this host {what.get(error.errno or 0, 'cannot be used')}.",
            f"Name another, or none: `{port}` alone takes a free one.",
            details={"port": port, "host_port": wanted},
        ) from error


def _listener(number: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # So that connections just closed do not keep the number; no second listener gets it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, number))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
