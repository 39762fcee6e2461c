"""Waiting, in the two ways of the two faces. The generator of the sync face drops ``async_``."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    import asyncio

P = ParamSpec("P")
T = TypeVar("T")


async def async_pause(seconds: float) -> None:
    """Wait without holding the event loop."""
    import asyncio  # here, since the sync face must not pay for it

    await asyncio.sleep(seconds)


def pause(seconds: float) -> None:
    """Wait, blocking this thread."""
    time.sleep(seconds)


async def async_each(source: Iterable[T]) -> AsyncIterator[T]:
    """Yield what an iterable gives, each in a thread, for it may read from a disk."""
    import asyncio

    iterator, end = iter(source), object()
    while (item := await asyncio.to_thread(next, iterator, end)) is not end:
        yield cast("T", item)


def each(source: Iterable[T]) -> Iterator[T]:
    """Yield what an iterable gives; the sync face may block."""
    return iter(source)


async def async_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a blocking function returns, without holding the event loop."""
    import asyncio

    return await asyncio.to_thread(function, *args, **kwargs)


def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a function returns; the sync face may block."""
    return function(*args, **kwargs)


def async_condition() -> asyncio.Condition:
    """Return a condition of this event loop."""
    import asyncio

    return asyncio.Condition()


def condition() -> threading.Condition:
    """Return a condition of this process's threads."""
    return threading.Condition()


async def async_wait_for(
    changed: asyncio.Condition, ready: Callable[[], bool], timeout: float | None = None
) -> bool:
    """Wait, holding ``changed``, until it is so; return False at the timeout."""
    import asyncio

    try:
        async with asyncio.timeout(timeout):
            await changed.wait_for(ready)
    except TimeoutError:
        return False
    return True


def wait_for(
    changed: threading.Condition, ready: Callable[[], bool], timeout: float | None = None
) -> bool:
    """Wait, holding ``changed``, until it is so; return False at the timeout."""
    return changed.wait_for(ready, timeout)


async def async_start(
    work: Callable[P, Coroutine[Any, Any, None]], *args: P.args, **kwargs: P.kwargs
) -> asyncio.Task[None]:
    """Have work done beside this task."""
    import asyncio

    return asyncio.create_task(work(*args, **kwargs))


def start(work: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> threading.Thread:
    """Have work done in a thread, which keeps no process from ending."""
    thread = threading.Thread(
        target=work, args=args, kwargs=kwargs, name="orkee-process", daemon=True
    )
    thread.start()
    return thread
