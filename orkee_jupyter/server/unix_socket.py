"""The same application on a unix socket, for this machine's user: kernels and the command line.

No token, XSRF or base URL in the way there: the folder is 0700, the socket 0600, and
the kernel names the peer's uid. Only our own routes trust it; Jupyter's keep their login.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import struct
from pathlib import Path
from typing import Any, Final

from jupyter_server.auth.identity import IdentityProvider, User
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.netutil import bind_unix_socket
from tornado.routing import AnyMatches, PathMatches, Rule, RuleRouter

from .. import paths
from .context import local_owner
from .routes import ROUTES

#: The environment variable that tells kernels where the socket is: a path, no secret.
ENVIRONMENT: Final = "ORKEE_SOCKET"

_NAME = re.compile(r"server-([0-9]{1,10})\.sock")
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid

#: Bytes taken from the socket at once: as many as it holds, for files come this way.
CHUNK: Final = 256 * 1024

log = logging.getLogger(__name__)


class LocalIdentityProvider(IdentityProvider):
    """Says that every request is by this machine's user: the socket has proved it."""

    async def get_user(self, handler: web.RequestHandler) -> User:
        return User(username=local_owner())

    def is_token_authenticated(self, handler: web.RequestHandler) -> bool:
        """Return True: there is no browser on a unix socket, so no cross-site request."""
        return True

    def should_check_origin(self, handler: web.RequestHandler) -> bool:
        return False


def peer_uid(connection: socket.socket) -> int:
    """Return the uid of the process that connected, as the kernel recorded it."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(raw)[1]
    return uid


class PeerServer(HTTPServer):
    """An HTTP server that hangs up on the processes of other users."""

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        uid = peer_uid(stream.socket)
        if uid != os.getuid():
            log.warning("orkee: refused uid %d on the unix socket", uid)
            stream.close()
            return
        super().handle_stream(stream, address)


def local_application(application: web.Application) -> RuleRouter:
    """Return an application's routes for the socket: ours also at the root, as the local user."""
    settings = dict(application.settings)
    settings["identity_provider"] = LocalIdentityProvider()
    settings["allow_remote_access"] = True  # a host name means nothing on a unix socket
    base = settings["base_url"]
    routes: list[Any] = [
        (prefixed, handler)
        for pattern, handler in ROUTES
        for prefixed in dict.fromkeys((pattern, url_path_join(base, pattern)))
    ]
    local = web.Application(routes, **settings)
    ours = [Rule(PathMatches(pattern), local) for pattern, _ in routes]
    return RuleRouter([*ours, Rule(AnyMatches(), application)])


class LocalSocket:
    """The socket of one server, from ``open`` to ``close``."""

    def __init__(self, application: web.Application) -> None:
        self._application = application
        self._server: PeerServer | None = None
        self._before: str | None = None
        self.path = paths.runtime_dir() / f"server-{os.getpid()}.sock"

    def open(self) -> None:
        """Listen, and tell the kernels to come. Raises OSError."""
        remove_stale(self.path.parent)
        self.path.unlink(missing_ok=True)  # of a dead process that had our pid
        listener = bind_unix_socket(str(self.path), mode=0o600)
        # Tornado takes a router as well as a function; its annotation knows both.
        self._server = PeerServer(local_application(self._application), chunk_size=CHUNK)
        self._server.add_socket(listener)
        self._before = os.environ.get(ENVIRONMENT)
        os.environ[ENVIRONMENT] = str(self.path)

    def close(self) -> None:
        """Stop listening and remove the socket. May be called twice."""
        if self._server is None:
            return
        self._server.stop()
        self._server = None
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        if os.environ.get(ENVIRONMENT) == str(self.path):
            if self._before is None:
                del os.environ[ENVIRONMENT]
            else:
                os.environ[ENVIRONMENT] = self._before


def remove_stale(folder: Path) -> None:
    """Remove the sockets of servers that are dead.

    A pid may have been given to another program since: so the socket is tried too.
    """
    for path in folder.glob("server-*.sock"):
        match = _NAME.fullmatch(path.name)
        if match and not (_alive(int(match[1])) and _answers(path)):
            with contextlib.suppress(OSError):
                path.unlink()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # busy, not dead
    return True
