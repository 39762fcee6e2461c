"""The connections used where no client is given: one for each event loop."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from .connection import AsyncConnection

_connections: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncConnection] = WeakKeyDictionary()


def async_default_connection() -> AsyncConnection:
    """Return this event loop's connection to the server that discovery finds."""
    loop = asyncio.get_running_loop()
    if loop not in _connections:
        _connections[loop] = AsyncConnection()
    return _connections[loop]
