"""The table of state moves, pair by pair."""

from __future__ import annotations

import pytest

from orkee_jupyter.sandbox.model import Sandbox, Status
from orkee_jupyter.sandbox.states import may_move, transition

C, A, P, T, F = (
    Status.CREATING,
    Status.ACTIVE,
    Status.PAUSED,
    Status.TERMINATED,
    Status.FAILED,
)
LEGAL = {(C, A), (C, F), (C, T), (A, P), (A, T), (A, F), (P, A), (P, T)}
PAIRS = [(source, target) for source in Status for target in Status]


def sandbox(status: Status) -> Sandbox:
    return Sandbox(
        id="0" * 32,
        user_id="ada",
        status=status,
        template="node",
        image="node:18-alpine",
        created_at=100,
        last_active_at=100,
        expires_at=200,
        container_id="c1",
        host_url="http://127.0.0.1:1",
        link="direct",
        reason="old",
    )


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_each_move_is_made_or_refused_as_the_table_says(source: Status, target: Status) -> None:
    assert may_move(source, target) == ((source, target) in LEGAL)
    if (source, target) in LEGAL:
        moved = transition(sandbox(source), target, now=150.7, reason="why")
        assert (moved.status, moved.reason) == (target, "why")
    else:
        with pytest.raises(ValueError, match="illegal move"):
            transition(sandbox(source), target, now=150.7)


@pytest.mark.parametrize("target", [P, T, F])
def test_what_is_not_active_has_no_container_link_or_url(target: Status) -> None:
    moved = transition(sandbox(A), target, now=150)
    assert (moved.container_id, moved.link, moved.host_url) == (None, None, None)


def test_becoming_active_counts_as_activity_and_ending_does_not() -> None:
    assert transition(sandbox(C), A, now=150.7, exit_code=0).last_active_at == 150
    assert transition(sandbox(C), A, now=50).last_active_at == 100
    assert transition(sandbox(A), T, now=150).last_active_at == 100
