"""What is told of a sandbox's past."""

from __future__ import annotations

import pytest

from orkee_jupyter.sandbox.history import KEPT, SANDBOXES, History
from orkee_jupyter.sandbox.model import PortMapping, Sandbox, Status
from tests.fakes.clock import FakeClock, settle
from tests.sandbox.world import OWNER, error_of, world


def row(number: int = 1, **changes: object) -> Sandbox:
    times = {"created_at": 1, "last_active_at": 1, "expires_at": 9}
    base = Sandbox(f"{number:032x}", OWNER, Status.ACTIVE, "node", "node:18-alpine", **times)
    return base.with_(**changes)


@pytest.mark.asyncio
async def test_a_life_is_told_in_sentences() -> None:
    async with world() as w:
        sandbox = await w.create(command=("sleep", "60"))
        await w.manager.stop(sandbox.id, OWNER)
        events = await w.manager.events(sandbox.id, OWNER)
    told = [(each.event, each.text) for each in events]
    assert told[0] == ("created", "Created from the template node with the image node:18-alpine.")
    assert ("step", "Pulling node:18-alpine.") in told
    assert ("active", "It is active, over the forwarded link.") in told
    assert told[-2:] == [("step", "Stopping."), ("terminated", "It has ended: stopped.")]
    assert [each.time for each in events] == sorted(each.time for each in events)


@pytest.mark.asyncio
async def test_a_loss_is_told_and_anothers_past_is_not_found() -> None:
    async with world() as w:
        sandbox = await w.create()
        w.engine.lose("the engine died")
        await settle()
        events = await w.manager.events(sandbox.id, OWNER)
        error = await error_of(w.manager.events(sandbox.id, "somebody"))
    assert events[-1].to_json()["text"] == "It is paused: the engine died."
    assert error.code == "sandbox_not_found"


def test_ports_are_told_as_they_come_and_go() -> None:
    history = History(FakeClock())
    port = PortMapping(3000, 41000, is_open=True, listening=True)
    for mapping in ((), (port,), (port.seen(False),), ()):
        history.observe(row(port_map=mapping), None)
    assert [each.text for each in history.of(row().id)] == [
        "A program listens on port 3000, reached at http://127.0.0.1:41000.",
        "No program listens on port 3000 any more.",
        "Port 3000 is not reached any more.",
    ]


def test_the_commands_end_is_told() -> None:
    history = History(FakeClock())
    history.observe(row(), None)
    history.observe(row(exit_code=3, reason="command exited with code 3"), None)
    assert [(each.event, each.text) for each in history.of(row().id)] == [
        ("exited", "The command exited with code 3.")
    ]


def test_a_renewed_lifetime_is_no_event() -> None:
    history = History(FakeClock())
    for second in range(5):
        history.observe(row(expires_at=100 + second), None)
    assert history.of(row().id) == ()


def test_the_past_is_bounded_and_that_of_ended_sandboxes_goes_first() -> None:
    history = History(FakeClock())
    for number in range(SANDBOXES + 1):
        ended = Status.TERMINATED if number == 5 else Status.ACTIVE
        history.observe(row(number, status=ended), "begun")
    for step in range(KEPT + 9):
        history.observe(row(1), f"step {step}")
    assert history.of(row(5).id) == ()
    assert history.of(row(0).id) != ()
    assert len(history.of(row(1).id)) == KEPT
    assert history.of(row(1).id)[-1].text == f"Step {KEPT + 8}."
