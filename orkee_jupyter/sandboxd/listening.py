"""Which ports programs in a sandbox listen on, as its daemon last said."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from .frames import ProtocolError

#: Listeners that one notice may name.
MAX_LISTENERS = 256


class Listening:
    """The listening ports of one sandbox."""

    def __init__(self) -> None:
        self._ports: frozenset[int] = frozenset()
        self._changed = asyncio.Event()

    @property
    def ports(self) -> frozenset[int]:
        """The ports as the daemon last told them."""
        return self._ports

    async def change(self, known: frozenset[int]) -> frozenset[int]:
        """Return the ports as soon as they are others than those that are known."""
        while self._ports == known:
            await self._changed.wait()
        return self._ports

    def take(self, body: Mapping[str, Any]) -> None:
        """Take a notice. Raises ProtocolError."""
        found = body.get("listening")
        if not isinstance(found, list) or len(found) > MAX_LISTENERS:
            raise ProtocolError("its 'listening' is not a short list")
        self._ports = frozenset(_port(each) for each in found)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _port(listener: object) -> int:
    port = listener.get("port") if isinstance(listener, dict) else None
    if not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65535:
        raise ProtocolError("it listed a port that is none")
    return port
