"""One live connection: what it is told, in what order, and never more than it takes."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING, Any, Final

from ..problems import to_problem
from ..sandbox.errors import OrkeeError
from ..sandbox.model import ENDED, ListQuery, Sandbox, Status
from ..sandbox.requests import MAX_LIMIT
from . import live_stats
from .base import defect
from .live_feed import Dirty
from .live_logs import LiveLog, decode_logs_message
from .stream_handlers import end_reason

if TYPE_CHECKING:
    from ..sandbox.manager import SandboxManager
    from .context import ServerContext

#: Seconds in which changes are collected before they are told.
COALESCE: Final = 0.03
#: Seconds between two signs of life.
TICK: Final = 5.0
#: Ended sandboxes that the first message holds.
NEWEST_ENDED: Final = 50
#: Logs that one connection may read at once.
MAX_LOGS: Final = 16

log = logging.getLogger(__name__)

Send = Callable[[dict[str, Any]], Awaitable[None]]
Render = Callable[[Sandbox], dict[str, Any]]


class LiveConnection:
    """Tells one client what changes.

    ``send`` sends a message and returns when the socket has taken it; ``render`` makes a row's
    object. Changes are kept as one row for each sandbox while the client is slow. All tasks
    send through one lock, so each of them has one message at most that waits.
    """

    def __init__(
        self,
        owner: str,
        context: ServerContext,
        manager: SandboxManager,
        send: Send,
        render: Render,
        close: Callable[[], None],
    ) -> None:
        self.owner = owner
        self._context = context
        self._manager = manager
        self._raw_send = send
        self._render = render
        self._close = close
        self._lock = asyncio.Lock()
        self._dirty = Dirty()
        self._engine_news = True
        self._news = asyncio.Event()
        self._logs: dict[int, tuple[LiveLog, asyncio.Task[None]]] = {}
        self._statistics: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = False

    # -- what the feed calls ------------------------------------------------

    def changed(self, sandbox: Sandbox) -> None:
        """Note that a sandbox of the owner's has changed. Never waits."""
        self._dirty.add(sandbox)
        self._news.set()

    def engine_changed(self) -> None:
        """Note that there is news of the engine. Never waits."""
        self._engine_news = True
        self._news.set()

    def leave(self) -> None:
        """End the connection."""
        self._close()

    # -- its life -------------------------------------------------------

    def begin(self) -> None:
        """Join the feed, and tell all there is."""
        self._context.live.join(self)  # first: what changes meanwhile is told behind
        self._spawn(self._tell_news())

    def end(self) -> None:
        """Stop telling. May be called twice."""
        self._ended = True
        self._context.live.part(self)
        for task in list(self._tasks):
            task.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a part of the connection; a part that breaks ends the whole, which comes again."""
        try:
            await work
        except ConnectionError:
            self._close()
        except Exception as error:
            if not isinstance(error, OrkeeError):
                log.exception("orkee: a live connection broke")
                error = defect(error)
            await self._fail(None, error)
            self._close()

    async def _send(self, message: dict[str, Any]) -> None:
        async with self._lock:
            await self._raw_send(message)

    async def _fail(self, number: int | None, error: OrkeeError) -> None:
        try:
            await self._send({"type": "problem", "id": number, "problem": to_problem(error)})
        except ConnectionError:
            self._close()

    # -- rows and engine ----------------------------------------------------

    async def _tell_news(self) -> None:
        await self._hello()
        self._spawn(self._tick())
        while True:
            await self._news.wait()
            await asyncio.sleep(COALESCE)
            self._news.clear()
            if self._dirty.overflowed:
                await self._hello()
            elif self._dirty:
                rows = [self._render(self._manager.current(row)) for row in self._dirty.take()]
                await self._send({"type": "sandboxes", "sandboxes": rows})
            if self._engine_news and (message := self._context.live_engine.message()):
                self._engine_news = False
                await self._send(message)

    async def _hello(self) -> None:
        """Send the whole truth."""
        self._dirty.take()
        kept = frozenset(Status) - ENDED
        live = await self._manager.list(ListQuery(statuses=kept, limit=MAX_LIMIT), self.owner)
        query = ListQuery(statuses=ENDED, limit=NEWEST_ENDED)
        ended = await self._manager.list(query, self.owner)
        # One that ended between the two is in both, and right in the second.
        rows = {row.id: row for row in (*live.sandboxes, *ended.sandboxes)}
        settings = self._manager.settings
        await self._send(
            {
                "type": "hello",
                "version": _version(),
                "time": time.time(),
                "settings": {
                    "default_ttl": settings.default_ttl,
                    "max_sandboxes": settings.max_sandboxes,
                },
                "sandboxes": [self._render(row) for row in rows.values()],
            }
        )

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            await self._send({"type": "tick"})

    # -- what the client says ----------------------------------------------------

    async def take(self, body: dict[str, Any]) -> None:
        """Do what a message asks for; what cannot be done is answered with a problem."""
        if self._ended:  # it is just being closed
            return
        number = body.get("id")
        if isinstance(number, bool) or not isinstance(number, int):
            number = None
        try:
            self._take(body, number)
        except OrkeeError as error:
            await self._fail(number, error)

    def _take(self, body: dict[str, Any], number: int | None) -> None:
        kind = body.get("type")
        if kind == "watch":
            self._watch(body.get("stats"))
        elif kind not in ("logs", "ack", "close"):
            raise _invalid("The message's type is unknown.", "Send watch, logs, ack or close.")
        elif number is None:
            raise _invalid("`id` is no whole number.", "Number each log.")
        elif kind == "logs":
            self._open_log(number, body)
        elif number in self._logs:  # else it has just ended
            reader, task = self._logs[number]
            if kind == "ack":
                reader.ack()
            else:
                task.cancel()

    def _watch(self, wanted: object) -> None:
        if not isinstance(wanted, bool):
            raise _invalid("`stats` is no boolean.", "Give true or false.")
        running = self._statistics is not None and not self._statistics.done()
        if wanted and not running:
            self._statistics = self._spawn(self._tell_stats())
        elif not wanted and self._statistics is not None:
            self._statistics.cancel()
            self._statistics = None

    async def _tell_stats(self) -> None:
        empty = False
        while True:
            stats = await live_stats.collect(self._manager, self.owner)
            if stats or not empty:
                await self._send({"type": "stats", "stats": stats})
            empty = not stats
            await asyncio.sleep(live_stats.INTERVAL)

    # -- logs --------------------------------------------------------------------

    def _open_log(self, number: int, body: dict[str, Any]) -> None:
        if number in self._logs:
            raise _invalid(f"The log {number} is open.", "Give each a number of its own.")
        if len(self._logs) >= MAX_LOGS:
            raise _invalid(f"{MAX_LOGS} logs are open on this connection.", "Close one.")
        reader = LiveLog(number, self._send)
        task = self._spawn(self._tell_log(reader, body))
        self._logs[number] = reader, task
        task.add_done_callback(lambda _: self._logs.pop(number, None))

    async def _tell_log(self, reader: LiveLog, body: dict[str, Any]) -> None:
        try:
            ref, query = decode_logs_message(body)
            # Resolved once: the name may be another sandbox's when the log ends.
            sandbox = await self._manager.get(ref, self.owner)
            await reader.run(
                lambda: self._manager.logs(sandbox.id, query, self.owner),
                end_reason(self._manager, sandbox, query, self.owner),
            )
        except OrkeeError as error:
            await self._fail(reader.number, error)


def _invalid(cause: str, remedy: str) -> OrkeeError:
    return OrkeeError("invalid_request", cause, remedy)


@functools.cache
def _version() -> str:
    try:
        return version_of("orkee-jupyter")
    except PackageNotFoundError:  # run from a tree that was not installed
        return "0"
