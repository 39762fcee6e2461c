"""What has happened to sandboxes, in sentences: told from one row to the next."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from .model import Sandbox, Status
from .ports import Clock

#: Events of a sandbox that are remembered, and sandboxes whose events are.
KEPT: Final = 200
SANDBOXES: Final = 50

_ENDED: Final = (Status.TERMINATED, Status.FAILED)
_ENDS: Final = {
    Status.TERMINATED: ("terminated", "It has ended"),
    Status.FAILED: ("failed", "It has failed"),
    Status.PAUSED: ("paused", "It is paused"),
}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a sandbox; ``time`` is in seconds since 1970."""

    time: float
    event: str  # "created", "step", "active", "ports", "exited", "paused", "resumed", …
    text: str  # a sentence

    def to_json(self) -> dict[str, Any]:
        """Return the REST object."""
        return asdict(self)


class _Past:
    """One sandbox's events, and the row and step that the next change is told from."""

    def __init__(self) -> None:
        self.row: Sandbox | None = None
        self.step: str | None = None
        self.events: deque[Event] = deque(maxlen=KEPT)


class History:
    """The events of the newest sandboxes, in memory; of a server's start they are none.

    ``told`` is called with each as it comes, and the sandbox's row.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.told: Callable[[Sandbox, Event], None] = lambda *_: None
        self._pasts: OrderedDict[str, _Past] = OrderedDict()

    def observe(self, sandbox: Sandbox, step: str | None) -> None:
        """Note what is new in a sandbox's row and step."""
        past = self._past(sandbox.id)
        before, past.row = past.row, sandbox
        for event, text in _changes(before, sandbox):
            self._add(past, event, text)
        if step is not None and step != past.step:
            self._add(past, "step", _sentence(step))
        past.step = step

    def known(self, sandbox: Sandbox) -> None:
        """Take a row that was there before, from which the next change is told."""
        self._past(sandbox.id).row = sandbox

    def note(self, sandbox_id: str, event: str, text: str) -> None:
        """Note what no row tells, such as that somebody gave it more time."""
        self._add(self._past(sandbox_id), event, text)

    def of(self, sandbox_id: str) -> tuple[Event, ...]:
        """Return what is remembered of a sandbox, the newest last."""
        past = self._pasts.get(sandbox_id)
        return tuple(past.events) if past is not None else ()

    def _past(self, sandbox_id: str) -> _Past:
        past = self._pasts.get(sandbox_id)
        if past is None:
            past = self._pasts[sandbox_id] = _Past()
            self._make_room()
        return past

    def _make_room(self) -> None:
        """Forget ended sandboxes, the oldest first, and others only if all of them live."""
        if len(self._pasts) <= SANDBOXES:
            return
        gone = next(
            (
                sandbox_id
                for sandbox_id, past in self._pasts.items()
                if past.row is not None and past.row.status in _ENDED
            ),
            next(iter(self._pasts)),
        )
        del self._pasts[gone]

    def _add(self, past: _Past, event: str, text: str) -> None:
        happened = Event(round(self._clock.now(), 3), event, text)
        past.events.append(happened)
        if past.row is not None:
            self.told(past.row, happened)


def _sentence(words: str) -> str:
    """Return words as a sentence."""
    words = words.strip()
    return f"{words[:1].upper()}{words[1:]}{'' if words.endswith(('.', '…', '!', '?')) else '.'}"


def _changes(before: Sandbox | None, now: Sandbox) -> Iterator[tuple[str, str]]:
    """Yield the events between two rows of a sandbox."""
    status = before.status if before is not None else None
    if before is None and now.status is Status.CREATING:
        yield "created", f"Created from the template {now.template} with the image {now.image}."
    if before is not None and before.name != now.name:
        yield "named", f"Its name is {now.name} now." if now.name else "It has no name any more."
    if status is not now.status and now.status is Status.ACTIVE and before is not None:
        resumed = status is Status.PAUSED
        yield (
            ("resumed", "It is active again.")
            if resumed
            else ("active", f"It is active, over the {now.link or 'unknown'} link.")
        )
    if before is not None and before.stop_at != now.stop_at and now.status not in _ENDED:
        yield ("stopping", "It will be stopped.") if now.stop_at else ("kept", "It is kept.")
    if before is not None and now.exit_code is not None and before.exit_code is None:
        yield "exited", _sentence(f"the {now.reason or f'command exited with {now.exit_code}'}")
    if before is not None and now.status is Status.ACTIVE:
        yield from _port_changes(before, now)
    if status is not now.status and now.status in _ENDS:
        event, text = _ENDS[now.status]
        yield event, _sentence(f"{text}: {now.reason}" if now.reason else text)


def _port_changes(before: Sandbox, now: Sandbox) -> Iterator[tuple[str, str]]:
    old = {each.port: each for each in before.port_map}
    for each in now.port_map:
        seen = old.pop(each.port, None)
        was_listening = seen is not None and seen.listening
        if each.listening and not was_listening:
            url = f", reached at {each.url}" if each.url else ""
            yield "ports", f"A program listens on port {each.port}{url}."
        elif was_listening and not each.listening:
            yield "ports", f"No program listens on port {each.port} any more."
    for port in old:
        yield "ports", f"Port {port} is not reached any more."
