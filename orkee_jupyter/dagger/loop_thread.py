"""An event loop in a thread of its own, for the SDK.

Each query of the SDK builds, checks and parses GraphQL in pure Python (the
first one a schema of a megabyte): tens to hundreds of milliseconds in which
the server's loop would stand still.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """A daemon thread with an event loop; :meth:`call` runs a coroutine there."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, if it does not run."""
        if self._thread is not None:
            return
        loop = asyncio.new_event_loop()

        def run() -> None:
            asyncio.set_event_loop(loop)
            loop.run_forever()
            loop.close()

        self._loop = loop
        self._thread = threading.Thread(target=run, name=self._name, daemon=True)
        self._thread.start()

    async def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the thread and return its result.

        A cancelled caller does not cancel it: what was begun with the engine is
        finished, so that it can be undone.
        """
        self.start()
        assert self._loop is not None
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return await asyncio.shield(asyncio.wrap_future(future))

    async def close(self) -> None:
        """Stop the loop and the thread; tasks left in it are cancelled."""
        if self._thread is None or self._loop is None:
            return
        thread, loop = self._thread, self._loop
        self._thread = self._loop = None

        async def cancel_all() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.wait(others, timeout=1.0) if others else None
            await loop.shutdown_asyncgens()

        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(cancel_all(), loop))
        loop.call_soon_threadsafe(loop.stop)
        await asyncio.get_running_loop().run_in_executor(None, thread.join, 2.0)
