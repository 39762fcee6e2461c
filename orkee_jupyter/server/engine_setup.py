"""The install of the native engine that a page has asked for, and what it is doing."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from ..problems import to_problem
from ..sandbox.errors import OrkeeError

if TYPE_CHECKING:
    from ..sandbox.manager import SandboxManager
    from .context import ServerContext

log = logging.getLogger(__name__)


class EngineSetup:
    """One install at a time; what it is doing stands in the context's ``engine_setup``."""

    def __init__(self, context: ServerContext) -> None:
        self._context = context
        self._running: asyncio.Task[None] | None = None

    def begin(self, manager: SandboxManager) -> dict[str, Any]:
        """Begin an install, unless one runs, and return what it is doing."""
        if self._running is None or self._running.done():
            began = time.time()
            self._tell({"running": True, "step": "beginning", "began": began})
            self._running = asyncio.get_running_loop().create_task(self._run(manager, began))
        return dict(self._context.engine_setup or {})

    def close(self) -> None:
        """Wait for it no more: the server stops."""
        if self._running is not None:
            self._running.cancel()

    async def _run(self, manager: SandboxManager, began: float) -> None:
        def progress(step: str) -> None:
            self._tell({"running": True, "step": step, "began": began})

        try:
            await manager.install_engine(progress)
        except OrkeeError as error:
            self._tell({"running": False, "problem": to_problem(error)})
        except Exception:
            log.exception("orkee: the install of the engine failed")
            defect = OrkeeError(
                "internal", "The install of the engine met a defect.", "See the server's log."
            )
            self._tell({"running": False, "problem": to_problem(defect)})
        else:
            self._tell(None)

    def _tell(self, setup: dict[str, Any] | None) -> None:
        self._context.engine_setup = setup
        self._context.engine_setup_changed()
