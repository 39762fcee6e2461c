"""What the handlers share: the manager once it is there, who owns a request, what is going on."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any, Final

from jupyter_server.auth.identity import (
    IdentityProvider,
    LegacyIdentityProvider,
    PasswordIdentityProvider,
)

from ..sandbox.errors import OrkeeError
from .capability import Capabilities
from .engine_setup import EngineSetup
from .live_engine import LiveEngine
from .live_feed import LiveFeed

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..sandbox.manager import SandboxManager

#: The key of the one ServerContext in a tornado application's settings.
KEY: Final = "orkee"
#: The one owner on a server without real users: a token request's user is random there.
LOCAL_OWNER: Final = "local"
#: Seconds that a request waits for a server that is still starting.
READY_TIMEOUT: Final = 30.0

_WITHOUT_USERS = (IdentityProvider, PasswordIdentityProvider, LegacyIdentityProvider)


def local_owner() -> str:
    """Return the owner of requests by this machine's user: the hub's name for it, or "local"."""
    return os.environ.get("JUPYTERHUB_USER") or LOCAL_OWNER


def has_users(provider: object) -> bool:
    """Return whether an identity provider knows real users (a hub's does, Jupyter's own don't)."""
    return type(provider) not in _WITHOUT_USERS


class ServerContext:
    """One per server, in the settings under :data:`KEY`.

    ``touched`` is called at each request, for Jupyter's ``last_activity``.
    """

    def __init__(self, touched: Callable[[], None] = lambda: None) -> None:
        self._touched = touched
        self._manager: SandboxManager | None = None
        self._error: OrkeeError | None = None
        self._settled = asyncio.Event()
        self.requests = 0  # under way
        self.capabilities = Capabilities()
        self.live = LiveFeed()  # the open live connections
        self.live_engine = LiveEngine(self)
        self.live.peopled = self.live_engine.peopled
        #: What the set-up of an engine is doing, as the live websocket tells it.
        self.engine_setup: dict[str, Any] | None = None
        self.setup = EngineSetup(self)
        self.engine_setup_hooks: list[Callable[[], None]] = [self.live.engine_changed]
        self.is_stopping = False
        self.last_activity = time.monotonic()

    def ready(self, manager: SandboxManager) -> None:
        """Let the handlers use this manager."""
        self._manager, self._error = manager, None
        self._settled.set()

    def failed(self, error: OrkeeError) -> None:
        """Have every request answered with this error."""
        self._manager, self._error = None, error
        self._settled.set()

    def stopping(self) -> None:
        """Refuse what comes from now on."""
        self.is_stopping = True
        self.failed(OrkeeError("server_unreachable", "The server is stopping.", "Start it again."))

    async def manager(self) -> SandboxManager:
        """Return the manager, waiting while the server starts.

        Raises OrkeeError: what the start failed with, or ``server_unreachable``.
        """
        if not self._settled.is_set():
            try:
                async with asyncio.timeout(READY_TIMEOUT):
                    await self._settled.wait()
            except TimeoutError:
                raise OrkeeError(
                    "server_unreachable", "The server is still starting.", "Try again in a moment."
                ) from None
        if self._manager is None:
            error = self._error
            assert error is not None
            raise OrkeeError(error.code, error.cause, error.remedy, details=error.details)
        return self._manager

    def begin(self) -> None:
        """Count a request that begins."""
        self.requests += 1
        self.touch()

    def end(self) -> None:
        """Count a request that has ended."""
        self.requests -= 1
        self.touch()

    def engine_setup_changed(self) -> None:
        """Say that ``engine_setup`` has changed. To be called on the server's loop."""
        for hook in list(self.engine_setup_hooks):
            hook()

    def touch(self) -> None:
        """Note that something was asked for or happened."""
        self.last_activity = time.monotonic()
        self._touched()

    def owner(self, provider: object, user: Any) -> str:
        """Return whose sandboxes a request of this user is about."""
        if has_users(provider):
            return str(user.username)
        return local_owner()
