"""The kernel carries the calls of its dashboards: one thread with an event loop for all.

A page in VS Code, Colab or plain Notebook 7 cannot reach the server; the kernel can. Cells run
in the kernel's main thread, so the work is done in another: what the server pushes arrives
while a cell runs. The thread is there while there is a dashboard.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from ..client import OrkeeError
from ..client.live import Carrier
from .limiter import Limiter
from .messages import Alive, Gone, Refused, Unreadable, decode
from .view import View

T = TypeVar("T")
Publish = Callable[[Mapping[str, Any]], None]

THREAD: Final = "orkee-relay"
#: Seconds that a view may be silent while the kernel could hear it: its page was closed.
SILENCE: Final = 75.0
_LOOK: Final = 15.0  # seconds between two looks for silent views
_VIEWS: Final = 32  # of one dashboard
_END: Final = 2.0  # seconds
#: Loggers that would write into whatever cell runs, were the user's logging set so.
_LOGGERS: Final = (
    "asyncio", "httpx", "httpcore.connection", "httpcore.http11", "websockets.client"
)  # fmt: skip


class Relay:
    """The thread and what runs in it. Started by the first channel, ended with the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channels: set[Channel] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._limiter: Limiter | None = None
        self._pid = os.getpid()

    @property
    def runs(self) -> bool:
        """Whether the thread is there."""
        return self._thread is not None and self._thread.is_alive()

    def open(
        self, publish: Publish, *, url: str | None = None, token: str | None = None
    ) -> Channel:
        """Return a channel for a dashboard, which publishes messages by ``publish``."""
        with self._lock:
            self._begin()
            channel = Channel(self, publish, url, token)
            self._channels.add(channel)
            return channel

    def close(self, channel: Channel) -> None:
        """End a channel, and the thread with the last one. Does not wait for it."""
        with self._lock:
            if channel not in self._channels:
                return
            self._channels.discard(channel)
            loop = self._loop
            if loop is None:
                return
            last = not self._channels
            if last:
                self._loop = None  # a channel opened from now on gets a thread of its own
        with contextlib.suppress(RuntimeError):
            asyncio.run_coroutine_threadsafe(_wind_up(channel, loop if last else None), loop)

    def stop(self, timeout: float = _END) -> None:
        """End all channels and the thread; wait for that, within seconds."""
        thread = self._thread
        for channel in list(self._channels):
            self.close(channel)
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def post(self, act: Callable[[], None]) -> None:
        """Have something done in the thread. Does nothing where it has ended."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(act)

    def run(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine in the thread."""
        loop = self._loop
        if loop is None:
            work.close()
            raise OrkeeError("internal", "The dashboard was closed.", "Run the cell again.")
        return asyncio.run_coroutine_threadsafe(work, loop)

    @property
    def limiter(self) -> Limiter:
        """What all channels of this kernel share."""
        if self._limiter is None:
            self._limiter = Limiter()
        return self._limiter

    def _begin(self) -> None:
        if self._pid != os.getpid():  # a fork has neither the thread nor what it was doing
            self._channels, self._loop, self._limiter = set(), None, None
            self._pid = os.getpid()
        if self._loop is not None:
            return
        self._limiter = None
        started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=_run, args=(started,), name=THREAD, daemon=True)
        self._thread.start()
        self._loop = started.result()


class Channel:
    """One dashboard's way through the relay. ``receive`` and ``close`` may be called anywhere."""

    def __init__(self, relay: Relay, publish: Publish, url: str | None, token: str | None) -> None:
        self._relay = relay
        self._publish = publish
        self._carrier = Carrier(url, token)
        self._views: dict[str, View] = {}
        self._heard: dict[str, float] = {}
        self._watch: asyncio.Task[None] | None = None
        self._closed = False
        self._hearing = _Hearing()

    @property
    def live_connections(self) -> int:
        """How many live connections to the server it has."""
        return sum(view.live_connections for view in list(self._views.values()))

    def receive(self, content: object) -> None:
        """Take a message of the page. Never raises and never waits."""
        self._relay.post(lambda: self._take(content))

    def close(self) -> None:
        """End it: calls are left, live connections are closed."""
        self._relay.close(self)

    def _take(self, content: object) -> None:
        if self._closed:
            return
        if self._watch is None:
            self._watch = asyncio.create_task(self._drop_silent())
        try:
            message = decode(content)
        except Unreadable:
            _log.debug("relay: a message cannot be read")
        except Refused as refused:
            if view := self._view(refused.view):
                view.refuse(refused.id, refused.problem)
        else:
            if isinstance(message, Gone):
                self._drop(message.view)
            elif view := self._view(message.view, make=not isinstance(message, Alive)):
                view.take(message)

    def _view(self, name: str, make: bool = True) -> View | None:
        self._heard[name] = time.monotonic()
        if name not in self._views:
            if not make or len(self._views) >= _VIEWS:
                self._heard.pop(name, None)
                return None
            self._views[name] = View(name, self._carrier, self._relay.limiter, self._say)
        return self._views[name]

    def _say(self, message: Mapping[str, Any]) -> None:
        try:
            self._publish(message)
        except Exception:
            _log.debug("relay: the kernel does not publish", exc_info=True)
            self._relay.close(self)

    def _drop(self, name: str) -> None:
        self._heard.pop(name, None)
        if view := self._views.pop(name, None):
            asyncio.create_task(view.close())  # noqa: RUF006 (ends by itself; the loop knows it)

    async def _drop_silent(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            if not self._hearing.ask():
                # A cell runs, and what pages say may wait for it: nobody is silent.
                now = time.monotonic()
                self._heard = dict.fromkeys(self._heard, now)
                continue
            for name, at in list(self._heard.items()):
                if time.monotonic() - at > SILENCE:
                    self._drop(name)

    async def end(self) -> None:
        """End what runs, in the relay's thread."""
        self._closed = True
        if self._watch is not None:
            self._watch.cancel()
        views, self._views = list(self._views.values()), {}
        await asyncio.gather(*(view.close() for view in views), return_exceptions=True)
        await self._carrier.aclose()


class _Hearing:
    """Whether the kernel's main thread takes messages, or a cell keeps it."""

    def __init__(self) -> None:
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self._answered = True

    def ask(self) -> bool:
        """Return whether it has answered since the last time, and ask anew."""
        answered = self._answered
        if self._loop is not None and answered:
            self._answered = False
            try:
                self._loop.call_soon_threadsafe(self._answer)
            except RuntimeError:
                self._answered = True  # that loop is closed: there is nobody to ask
        return answered

    def _answer(self) -> None:
        self._answered = True


class _NotOfTheRelay(logging.Filter):
    """Leaves out what libraries log in the relay's thread."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.threadName != THREAD


def _run(started: Future[asyncio.AbstractEventLoop]) -> None:
    loop = asyncio.new_event_loop()
    # Nobody reads it, and in a kernel it would be printed into some cell.
    loop.set_exception_handler(lambda _, context: _log.debug("relay: %s", context))
    asyncio.set_event_loop(loop)
    started.set_result(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


async def _wind_up(channel: Channel, loop: asyncio.AbstractEventLoop | None) -> None:
    """End a channel; with a loop, end that too."""
    try:
        async with asyncio.timeout(_END):
            await channel.end()
            if loop is not None:
                while others := asyncio.all_tasks() - {asyncio.current_task()}:
                    for task in others:
                        task.cancel()
                    await asyncio.wait(others)
                await loop.shutdown_asyncgens()
                await loop.shutdown_default_executor()
    except TimeoutError:
        pass  # something does not let go; the process ends without it
    finally:
        if loop is not None:
            loop.call_soon(loop.stop)


_log = logging.getLogger(__name__)
_quiet = _NotOfTheRelay()
for _name in _LOGGERS:
    logging.getLogger(_name).addFilter(_quiet)

#: The one of this process.
relay = Relay()
atexit.register(relay.stop)
