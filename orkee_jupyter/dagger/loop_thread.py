"""An event loop in a thread of its own, for the SDK.

Each query of the SDK builds, checks and parses GraphQL in pure Python (the
first one a schema of a megabyte): tens to hundreds of milliseconds in which
the server's loop would stand still.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from ..sandbox.errors import OrkeeError

T = TypeVar("T")

_CLOSE_TIMEOUT = 5.0  # seconds


class LoopThread:
    """A daemon thread with an event loop; :meth:`call` runs a coroutine there."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def runs(self) -> bool:
        """Whether the thread was started, and not closed since."""
        return self._loop is not None and not self._closed

    async def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the thread, which is started if need be, and return its result.

        A cancelled caller does not cancel it: what was begun with the engine is
        finished, so that it can be undone. Raises OrkeeError ``engine_lost`` if
        the thread is closed first.
        """
        if self._closed:
            coroutine.close()
            raise _stopping()
        loop = asyncio.get_running_loop()
        future = asyncio.run_coroutine_threadsafe(coroutine, self._started())
        # Not wrap_future: a failure after the caller has gone would be an "exception that
        # was never retrieved" of the future that the caller no longer waits for.
        done: asyncio.Future[None] = loop.create_future()

        def tell() -> None:
            if not done.done():
                done.set_result(None)

        def wake(_: Future[T]) -> None:
            with contextlib.suppress(RuntimeError):  # the caller's loop is closed
                loop.call_soon_threadsafe(tell)

        future.add_done_callback(wake)
        await done
        if future.cancelled():
            raise _stopping()
        return future.result()

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is not None:
            return self._loop
        loop = self._loop = asyncio.new_event_loop()

        def run() -> None:
            asyncio.set_event_loop(loop)
            try:
                loop.run_forever()
            finally:
                loop.close()

        self._thread = threading.Thread(target=run, name=self._name, daemon=True)
        self._thread.start()
        return loop

    async def close(self) -> None:
        """Stop the loop and the thread for good; tasks left in it are cancelled.

        May be called twice. Takes 5 s at most, also where a task does not end.
        """
        first, self._closed = not self._closed, True
        if self._thread is None or self._loop is None:
            return
        if first:
            asyncio.run_coroutine_threadsafe(_wind_up(self._loop), self._loop)
        await asyncio.to_thread(self._thread.join, _CLOSE_TIMEOUT)


async def _wind_up(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel every task, also those that are begun by the ends of others, and stop the loop."""
    try:
        async with asyncio.timeout(_CLOSE_TIMEOUT - 1):
            while others := asyncio.all_tasks() - {asyncio.current_task()}:
                for task in others:
                    task.cancel()
                await asyncio.wait(others)
            await loop.shutdown_asyncgens()
    except TimeoutError:
        pass  # a task that swallows its cancellation
    finally:
        loop.call_soon(loop.stop)


def _stopping() -> OrkeeError:
    return OrkeeError("engine_lost", "The server is stopping.")
