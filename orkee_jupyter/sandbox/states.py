"""The one table of legal state moves, and the one function that makes a move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .model import ENDED, Sandbox, Status

#: From each state, the states it may go to. Nothing leaves ``terminated`` or ``failed``.
MOVES: Final[Mapping[Status, frozenset[Status]]] = {
    Status.CREATING: frozenset({Status.ACTIVE, Status.FAILED, Status.TERMINATED}),
    Status.ACTIVE: frozenset({Status.PAUSED, Status.TERMINATED, Status.FAILED}),
    Status.PAUSED: frozenset({Status.ACTIVE, Status.TERMINATED}),
    Status.TERMINATED: frozenset(),
    Status.FAILED: frozenset(),
}


def may_move(source: Status, target: Status) -> bool:
    """Return whether a sandbox may go from one state to another."""
    return target in MOVES[source]


def transition(
    sandbox: Sandbox, to: Status, *, now: float, reason: str | None = None, **changes: Any
) -> Sandbox:
    """Return the sandbox in state ``to``, with ``reason`` and other fields changed.

    A sandbox that is not active has no container, link or URL: those are cleared
    here, so that no caller can forget it. ``now`` is in seconds since 1970; a move
    counts as activity unless it ends the sandbox. Raises ValueError for an illegal
    move: that is a defect of the caller, never a user's mistake.
    """
    if not may_move(sandbox.status, to):
        raise ValueError(f"sandbox {sandbox.id}: illegal move {sandbox.status} -> {to}")
    changes = {"frozen": False, **changes}
    if to is not Status.ACTIVE:
        changes = {"container_id": None, "link": None, "host_url": None, "port_map": (), **changes}
    if to in ENDED:
        changes = {"stop_at": None, **changes}
    else:
        changes.setdefault("last_active_at", max(sandbox.last_active_at, int(now)))
    return sandbox.with_(status=to, reason=reason, **changes)
