"""An owner for background tasks: none is lost, none fails unseen, all are awaited."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from .errors import OrkeeError

T = TypeVar("T")
log = logging.getLogger(__name__)


class Tasks:
    """Background tasks of one owner, who ends them with ``close``."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task. An OrkeeError is its caller's affair; any other is logged."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not isinstance(error, OrkeeError):
            log.error("A background task failed.", exc_info=error)

    async def close(self, patience: float = 1.0) -> None:
        """Cancel what still runs and wait up to ``patience`` real seconds for it."""
        current = asyncio.current_task()
        left = {task for task in self._running if task is not current}
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=patience)
