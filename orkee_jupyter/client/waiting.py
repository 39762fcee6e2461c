"""Waiting, in the two ways of the two faces. The generator of the sync face drops ``async_``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def async_pause(seconds: float) -> None:
    """Wait without holding the event loop."""
    import asyncio  # here, since the sync face must not pay for it

    await asyncio.sleep(seconds)


def pause(seconds: float) -> None:
    """Wait, blocking this thread."""
    time.sleep(seconds)


async def async_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a blocking function returns, without holding the event loop."""
    import asyncio

    return await asyncio.to_thread(function, *args, **kwargs)


def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a function returns; the sync face may block."""
    return function(*args, **kwargs)
