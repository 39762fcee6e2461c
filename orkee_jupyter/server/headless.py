"""A server without a page, for shells and plain IPython: ``orkee serve``.

A Jupyter server with this extension only. It ends itself after a while without
sandboxes and requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

from jupyter_server.serverapp import ServerApp

from .. import paths
from ..sandbox.errors import OrkeeError
from ..sandbox.model import LIVE, ListQuery
from .app import OrkeeExtension
from .context import KEY, ServerContext, local_owner

#: Seconds that a new server waits for one that is just stopping.
CLAIM_TIMEOUT: Final = 11.0
_LOG_BYTES: Final = 2 * 1024 * 1024

log = logging.getLogger(__name__)


class HeadlessServer(ServerApp):
    """A Jupyter server that serves nothing but what the extension needs."""

    name = "orkee-serve"
    default_services = ("api", "events", "security", "shutdown")  # type: ignore[assignment]


def serve(idle_timeout: float | None = None, *, argv: Sequence[str] = ()) -> int:
    """Serve until idle for ``idle_timeout`` seconds, or until a signal.

    0 stands for no end, None for what the trait ``headless_idle_timeout`` says.
    ``argv`` holds further options in Jupyter's form (``--OrkeeExtension.link=direct``).
    Returns the exit code: 0 also when another headless server runs already.
    """
    with _only_one() as first:
        if not first:
            log.warning("Another headless server runs already.")
            return 0
        server = _server(argv)
        extension: OrkeeExtension = server.web_app.settings[OrkeeExtension.name]
        _log_to_file(server.log, extension.log)
        if idle_timeout is None:
            idle_timeout = extension.headless_idle_timeout
        server.io_loop.add_callback(_end_when_idle, server, idle_timeout)
        server.start()
    return 0


def _server(argv: Sequence[str]) -> HeadlessServer:
    root = paths.data_dir() / "headless"
    root.mkdir(mode=0o700, exist_ok=True)  # an empty folder: there is no content to serve
    server: HeadlessServer = HeadlessServer.instance()
    server.no_browser_open_file = True
    try:
        project = Path.cwd()
    except FileNotFoundError:  # it was removed
        project = root
    # As arguments, since these win over the user's Jupyter configuration, which may
    # say otherwise for servers that people look at.
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": "0",
        "ServerApp.open_browser": "False",
        "ServerApp.allow_root": "True",
        "ServerApp.root_dir": str(root),
        "ServerApp.base_url": "/",
        "ServerApp.jpserver_extensions": "orkee_jupyter=True",
        "ServerApp.terminals_enabled": "False",
        "OrkeeExtension.project": str(project),
        "IdentityProvider.token": secrets.token_urlsafe(32),
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    server.initialize([*arguments, *argv], find_extensions=False)
    return server


def _log_to_file(*loggers: Any) -> None:
    """Log to a file too, unless stderr is one already (as where a client started us)."""
    with contextlib.suppress(OSError):
        if stat.S_ISREG(os.fstat(2).st_mode):
            return
    folder = paths.data_dir() / "logs"
    folder.mkdir(mode=0o700, exist_ok=True)
    handler = RotatingFileHandler(folder / "serve.log", maxBytes=_LOG_BYTES, backupCount=1)
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(message)s"))
    Path(handler.baseFilename).chmod(0o600)
    for logger in loggers:
        logger.addHandler(handler)


@contextlib.contextmanager
def _only_one() -> Iterator[bool]:
    """Hold the lock of the one headless server; yield whether it is ours.

    One that is stopping has removed its socket already: that one is waited for.
    """
    folder = paths.runtime_dir()
    descriptor = os.open(folder / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+") as lock:
        deadline = time.monotonic() + CLAIM_TIMEOUT
        while not (ours := _lock(lock)) and time.monotonic() < deadline:
            if _holder_serves(lock, folder):
                break
            time.sleep(0.1)
        if ours:
            lock.seek(0)
            lock.truncate()
            lock.write(str(os.getpid()))
            lock.flush()
        yield ours


def _lock(lock: Any) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _holder_serves(lock: Any, folder: Path) -> bool:
    lock.seek(0)
    pid = lock.read(16).strip()
    return bool(pid.isdigit()) and (folder / f"server-{pid}.sock").exists()


async def _end_when_idle(server: HeadlessServer, idle_timeout: float) -> None:
    if idle_timeout <= 0:
        return
    context: ServerContext = server.web_app.settings[KEY]
    context.touch()  # idle counts from when it serves
    while not context.is_stopping:
        await asyncio.sleep(min(1.0, idle_timeout / 4))
        idle = time.monotonic() - context.last_activity
        if idle >= idle_timeout and not context.requests and not await _has_live(context):
            if context.requests or time.monotonic() - context.last_activity < idle_timeout:
                continue  # somebody came meanwhile
            log.info("idle for %.0f s: ending", idle)
            server.stop()
            return


async def _has_live(context: ServerContext) -> bool:
    try:
        manager = await context.manager()
        page = await manager.list(ListQuery(statuses=LIVE, limit=1), local_owner())
    except OrkeeError:
        return False  # a server that cannot work is not worth keeping
    return bool(page.sandboxes)
