"""The open live connections, and what becomes of a change: each notes it for its owner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol

from ..sandbox.model import Sandbox

#: Changed sandboxes that a slow reader may fall behind by, before it is told all anew.
MOST_DIRTY: Final = 200


class Listener(Protocol):
    """A live connection, as the feed knows it."""

    owner: str

    def changed(self, sandbox: Sandbox) -> None:
        """Note that a sandbox of the owner's has changed. Never waits."""

    def engine_changed(self) -> None:
        """Note that there is news of the engine. Never waits."""

    def leave(self) -> None:
        """End the connection."""


class LiveFeed:
    """Tells each open connection of the changes that are its owner's. Of one event loop."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        #: Called when the first connection has come, and when the last has gone.
        self.peopled: Callable[[bool], None] = lambda _: None

    def __len__(self) -> int:
        return len(self._listeners)

    def __iter__(self) -> Iterator[Listener]:
        return iter(list(self._listeners))

    def join(self, listener: Listener) -> None:
        """Tell this connection from now on."""
        self._listeners.append(listener)
        if len(self._listeners) == 1:
            self.peopled(True)

    def part(self, listener: Listener) -> None:
        """Tell this connection no more. May be called twice."""
        if listener in self._listeners:
            self._listeners.remove(listener)
            if not self._listeners:
                self.peopled(False)

    def changed(self, sandbox: Sandbox) -> None:
        """Take a change of a sandbox."""
        for listener in self._listeners:
            if listener.owner == sandbox.user_id:
                listener.changed(sandbox)

    def engine_changed(self) -> None:
        """Take a change of the engine, or of its set-up."""
        for listener in self._listeners:
            listener.engine_changed()

    def close(self) -> None:
        """End every connection: the server stops."""
        for listener in self:
            listener.leave()


class Dirty:
    """What has changed since it was last taken: a row for each sandbox, however often it did."""

    def __init__(self) -> None:
        self._rows: dict[str, Sandbox] = {}
        self.overflowed = False  # too many: only the whole is the truth

    def __bool__(self) -> bool:
        return bool(self._rows) or self.overflowed

    def add(self, sandbox: Sandbox) -> None:
        """Note a sandbox's newest row."""
        if self.overflowed:
            return
        self._rows[sandbox.id] = sandbox
        if len(self._rows) > MOST_DIRTY:
            self._rows.clear()
            self.overflowed = True

    def take(self) -> tuple[Sandbox, ...]:
        """Return what there is, and begin anew."""
        rows = tuple(self._rows.values())
        self._rows.clear()
        self.overflowed = False
        return rows
