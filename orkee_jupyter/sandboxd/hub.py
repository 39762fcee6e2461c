"""Where daemons dial in: one place (token, socket, log) for each sandbox."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..sandbox.errors import OrkeeError
from ..sandbox.model import LogEntry, LogQuery
from ..sandbox.ports import Endpoint
from .connection import BUFFER_SIZE
from .connections import Timing
from .daemon import Daemon
from .greeting import Greeter
from .logs import LogSpool
from .portmap import PortMap
from .sweeping import sweep_logs

logger = logging.getLogger(__name__)

#: What gives the direct link: a socket that listens, or that and its address as a
#: container sees it; None if the engine has no direct link.
DirectListener = Callable[[], Awaitable["socket.socket | tuple[socket.socket, str] | None"]]

LINKS = ("auto", "direct", "forwarded")
_ID = re.compile(r"[0-9a-f]{32}")
_LONGEST_PATH = 107  # of a unix socket: sockaddr_un has 108 bytes, the last is a NUL


@dataclass(eq=False, slots=True)
class _Place:
    """What the hub holds for one sandbox."""

    endpoint: Endpoint
    daemon: Daemon
    server: asyncio.Server | None = None  # of the forwarded link
    greeter: Greeter | None = None
    ports: PortMap | None = None


class Hub:
    """Implements :class:`orkee_jupyter.sandbox.ports.DaemonHub`. Belongs to one event loop.

    ``runtime_dir`` gets the sockets, ``log_dir`` a folder for each sandbox's log of
    at most ``log_limit`` bytes. ``link`` is "direct", "forwarded", or "auto": direct
    where ``direct_listener`` gives a listener.
    """

    def __init__(
        self,
        runtime_dir: Path,
        log_dir: Path,
        direct_listener: DirectListener | None = None,
        link: str = "auto",
        log_limit: int = 256 * 1024 * 1024,
        *,
        timing: Timing | None = None,
    ) -> None:
        if link not in LINKS:
            raise ValueError(f"link must be one of {', '.join(LINKS)}")
        self._socket_dir = runtime_dir / "s"
        self._log_dir = log_dir
        self._direct_listener = direct_listener
        self._link = link
        self._log_limit = log_limit
        self._timing = timing or Timing()
        self._buffer = memoryview(bytearray(BUFFER_SIZE))
        self._places: dict[str, _Place] = {}
        self._spools: dict[str, LogSpool] = {}
        self._tokens: dict[bytes, _Place] = {}  # by the token's hash: no timing to learn from
        self._direct: tuple[asyncio.Server, Greeter, str] | None = None
        self._direct_source: object | None = None  # the listener that self._direct serves
        self._direct_lock = asyncio.Lock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="orkee-log-writer")
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="orkee-log-reader")
        self._is_shut = False
        self._is_swept = False

    async def open(self, sandbox_id: str) -> Endpoint:
        """Make a place (token, socket, log spool) for a sandbox's daemon.

        Raises ``link_failed`` if no link can be made, ``disk_full`` if no log can be kept.
        """
        _check_id(sandbox_id)
        if self._is_shut or sandbox_id in self._places:
            raise OrkeeError("internal", f"The hub cannot take the sandbox {sandbox_id}.", "")
        address = None if self._link == "forwarded" else await self._direct_address()
        if address is None and self._link == "direct":
            raise OrkeeError(
                "link_failed",
                "The engine in use has no direct link.",
                "Set the link to auto or forwarded.",
            )
        spool = self._spool(sandbox_id)
        try:
            await spool.create()
        except OSError as error:
            raise _disk_error(error, self._log_dir) from error
        token = secrets.token_hex(32)
        daemon = Daemon(sandbox_id, spool, self._timing)
        if address is not None:
            place = _Place(Endpoint("direct", token, address=address), daemon)
        else:
            place = await self._open_forwarded(token, daemon)
        place.ports = PortMap(sandbox_id, daemon, is_direct=address is not None)
        self._spools[sandbox_id] = spool
        self._places[sandbox_id] = place
        self._tokens[_digest(token)] = place
        return place.endpoint

    async def _open_forwarded(self, token: str, daemon: Daemon) -> _Place:
        path = self._socket_dir / f"{secrets.token_hex(6)}.sock"
        if len(bytes(path)) > _LONGEST_PATH:
            raise OrkeeError(
                "internal",
                f"The path {path} is too long for a socket.",
                "Set XDG_RUNTIME_DIR to a folder with a short path.",
            )
        try:
            self._socket_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep()
            listener = _bind(path)
        except OSError as error:
            raise _disk_error(error, self._socket_dir) from error
        place = _Place(Endpoint("forwarded", token, socket_path=str(path)), daemon)
        place.greeter = self._greeter(place)
        loop = asyncio.get_running_loop()
        try:
            place.server = await loop.create_unix_server(place.greeter.connection, sock=listener)
        except BaseException:
            listener.close()
            _unlink(place.endpoint)
            raise
        return place

    def _sweep(self) -> None:
        """Remove, once, the sockets that servers left when they were killed."""
        if not self._is_swept:
            self._is_swept = True
            for path in self._socket_dir.glob("*.sock"):
                if _is_dead(path):
                    path.unlink(missing_ok=True)

    def _greeter(self, place: _Place | None) -> Greeter:
        return Greeter(self._buffer, self._timing.hello, lambda token: self._find(token, place))

    def _find(self, token: str, only: _Place | None) -> Daemon | None:
        """Return the daemon of a token; on a sandbox's own socket, of that sandbox only."""
        place = self._tokens.get(_digest(token))
        if place is None or (only is not None and only is not place):
            return None
        same = hmac.compare_digest(place.endpoint.token.encode(), token.encode("utf-8", "replace"))
        return place.daemon if same else None

    async def _direct_address(self) -> str | None:
        """Return where daemons dial the direct link, None if there is none.

        Asked each time: another listener means that the engine of the last one is gone.
        """
        if self._direct_listener is None:
            return None
        async with self._direct_lock:
            given = await self._direct_listener()
            if given is not self._direct_source:
                self.drop_direct()
            if given is not None and self._direct is None:
                listener, address = given if isinstance(given, tuple) else (given, "")
                listener.setblocking(False)
                greeter = self._greeter(None)
                loop = asyncio.get_running_loop()
                server = await loop.create_server(greeter.connection, sock=listener)
                self._direct = server, greeter, address or _address(listener)
            self._direct_source = given
            return None if self._direct is None else self._direct[2]

    def drop_direct(self) -> None:
        """Forget the direct listener, as its engine is gone; the next ``open`` asks for one."""
        if self._direct is not None:
            server, greeter, _ = self._direct
            self._direct = None
            server.close()
            greeter.close()

    async def connected(self, sandbox_id: str, timeout: float) -> Daemon:
        """Wait for the daemon's hello. Raises ``link_failed`` after ``timeout`` seconds."""
        daemon = self._place(sandbox_id).daemon
        await daemon.wait_connected(timeout)
        return daemon

    def ports(self, sandbox_id: str) -> PortMap:
        """Return the ports of a sandbox's place; ``close`` closes them. Raises ``sandbox_lost``."""
        ports = self._place(sandbox_id).ports
        assert ports is not None  # every place that was opened has one
        return ports

    async def logs(self, sandbox_id: str, query: LogQuery) -> AsyncIterator[LogEntry]:
        """Yield the log; nothing if there is none.

        With ``follow`` until the command's output has ended or the place is closed.
        A log that an earlier server kept is read as well.
        """
        spool = self._spools.get(sandbox_id) or await self._load(sandbox_id)
        if spool is not None:
            async for entry in spool.read(query):
                yield entry

    async def _load(self, sandbox_id: str) -> LogSpool | None:
        """Return the log that an earlier server kept, None if there is none."""
        _check_id(sandbox_id)
        spool = self._spool(sandbox_id)
        if self._is_shut or not await spool.load():
            return None
        return self._spools.setdefault(sandbox_id, spool)

    def _spool(self, sandbox_id: str) -> LogSpool:
        return LogSpool(self._log_dir / sandbox_id, self._log_limit, self._writer, self._readers)

    async def close(self, sandbox_id: str) -> None:
        """End every stream, remove token and socket. The log stays readable until ``forget``.

        Does nothing for a sandbox that has no place.
        """
        place = self._places.pop(sandbox_id, None)
        if place is None:
            return
        self._tokens.pop(_digest(place.endpoint.token), None)
        if place.server is not None and place.greeter is not None:
            try:
                await _take_no_more(place.server)
            finally:
                place.server.close()
                place.greeter.close()
                _unlink(place.endpoint)
        if place.ports is not None:
            await place.ports.close()
        await place.daemon.close()
        if place.server is not None:
            await place.server.wait_closed()

    async def forget(self, sandbox_id: str) -> None:
        """Remove the kept log, also that of an earlier server. Does nothing if there is none."""
        _check_id(sandbox_id)
        await self.close(sandbox_id)
        spool = self._spools.pop(sandbox_id, None) or self._spool(sandbox_id)
        await spool.remove()

    async def sweep(self, max_age: float, most: int, live: Sequence[str]) -> None:
        """Remove kept logs: those without news for ``max_age`` seconds, and beyond the newest
        ``most``. Logs of ``live`` sandboxes and of other servers' stay."""
        if self._is_shut:
            return
        in_use = {*self._places, *live}
        gone = await asyncio.get_running_loop().run_in_executor(
            self._writer, sweep_logs, self._log_dir, max_age, most, in_use
        )
        for sandbox_id in gone:
            if sandbox_id not in self._places and (spool := self._spools.pop(sandbox_id, None)):
                await spool.remove()

    async def shutdown(self) -> None:
        """Close every place and the listener. The kept logs stay on disk. May be called twice."""
        self._is_shut = True
        await asyncio.gather(*(self.close(sandbox_id) for sandbox_id in list(self._places)))
        if self._direct is not None:
            server = self._direct[0]
            await _take_no_more(server)
            self.drop_direct()
            await server.wait_closed()
        loop = asyncio.get_running_loop()
        for executor in (self._writer, self._readers):
            await loop.run_in_executor(None, executor.shutdown)
        try:
            self._socket_dir.rmdir()
        except OSError:
            logger.debug("the folder of sockets stays: another server uses it")

    def _place(self, sandbox_id: str) -> _Place:
        place = self._places.get(sandbox_id)
        if place is None:
            raise OrkeeError("sandbox_lost", "The sandbox was stopped.", "Create a new one.")
        return place


def _check_id(sandbox_id: str) -> None:
    """Refuse what is no id: it becomes a folder's name. Raises ``internal``."""
    if not _ID.fullmatch(sandbox_id):
        raise OrkeeError("internal", "A sandbox's id is not 32 hex digits.", "")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _address(listener: socket.socket) -> str:
    name: Any = listener.getsockname()
    host, port = str(name[0]), int(name[1])
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _take_no_more(server: asyncio.Server) -> None:
    """Have what was accepted already become a connection, which the greeter ends.

    A server that is closed in between fails on it, and leaves its socket to the collector.
    """
    loop = asyncio.get_running_loop()
    for listener in server.sockets:
        loop.remove_reader(listener.fileno())
    await asyncio.sleep(0)


def _bind(path: Path) -> socket.socket:
    """Return a listening socket that this user alone may connect to. Raises OSError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made = path.with_suffix(".new")  # until it listens it would look like a dead one
    try:
        listener.bind(str(made))
        made.chmod(0o600)
        listener.listen(128)
        listener.setblocking(False)
        made.rename(path)
    except OSError:
        listener.close()
        raise
    return listener


def _is_dead(path: Path) -> bool:
    """Return whether nobody listens on a socket any more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def _unlink(endpoint: Endpoint) -> None:
    """Remove a sandbox's socket."""
    if endpoint.socket_path is not None:
        Path(endpoint.socket_path).unlink(missing_ok=True)


def _disk_error(error: OSError, folder: Path) -> OrkeeError:
    return OrkeeError(
        "disk_full" if error.errno in (28, 122) else "internal",
        f"The folder {folder} cannot be written: {error.strerror}.",
        "Make room, or see that the folder belongs to you.",
    )
