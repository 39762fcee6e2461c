"""Links that let a browser in without a login, for one port of one sandbox and a while.

A proxied page has an opaque origin: its requests come without Jupyter's cookie, so that
something in their path has to stand for it.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

#: What a capability looks like in a path, behind its tilde.
PATTERN: Final = "[A-Za-z0-9_-]{43}"
#: Seconds that each use gives it, and that it lives at most.
IDLE: Final = 3600.0
LONGEST: Final = 86_400.0
#: How many there are at once; the one that ends first makes room.
LIMIT: Final = 10_000


@dataclass(slots=True)
class Capability:
    """Who may reach which port of which sandbox, and until when."""

    owner: str
    user: Any  # as the identity provider knew them: the authorizer is asked at each request
    sandbox_id: str
    port: int
    ends: float  # on the monotonic clock; each use moves it on, to at most the last
    last: float


class Capabilities:
    """The capabilities of one server, in memory: a restart ends them all."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._known: dict[bytes, Capability] = {}  # by hash: no timing to learn from

    def issue(self, owner: str, user: Any, sandbox_id: str, port: int) -> tuple[str, float]:
        """Return a new capability and for how many seconds it holds without a use."""
        now = self._now()
        self._known = {key: each for key, each in self._known.items() if each.ends > now}
        if len(self._known) >= LIMIT:
            del self._known[min(self._known, key=lambda key: self._known[key].ends)]
        text = secrets.token_urlsafe(32)
        self._known[_digest(text)] = Capability(
            owner, user, sandbox_id, port, now + IDLE, now + LONGEST
        )
        return text, IDLE

    def check(self, text: str, sandbox_id: str, port: int) -> Capability | None:
        """Return the capability if it holds for that port, and give it more time."""
        found = self._known.get(_digest(text))
        now = self._now()
        if (
            found is None
            or found.ends <= now
            or (found.sandbox_id, found.port)
            != (
                sandbox_id,
                port,
            )
        ):
            return None
        found.ends = min(now + IDLE, found.last)
        return found


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
