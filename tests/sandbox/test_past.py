"""What the manager notes of the past, and what may be asked of it."""

from __future__ import annotations

import asyncio

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.log_lines import LONGEST, LineCutter
from orkee_jupyter.sandbox.model import ExecRequest, LogEntry, Sandbox
from orkee_jupyter.sandbox.query_requests import decode_sql
from orkee_jupyter.sandbox.records import COMMAND_LIMIT, ExecRecord, command_text
from tests.fakes.history import FakeHistory
from tests.sandbox.world import OWNER, World, error_of, world

pytestmark = pytest.mark.asyncio


async def run(w: World, sandbox: Sandbox, *command: str, **fields: object) -> None:
    """Run a command of the fake daemon to its end."""
    stream = await w.manager.exec(sandbox.id, ExecRequest(command, **fields), OWNER)  # type: ignore[arg-type]
    async for _ in stream:
        pass
    await stream.exit()
    await stream.close()


def only(history: FakeHistory) -> ExecRecord:
    (record,) = history.execs.values()
    return record


async def test_every_state_move_is_kept_a_second_later() -> None:
    history = FakeHistory()
    async with world(history=history) as w:
        sandbox = await w.create()
        await w.manager.pause(sandbox.id, OWNER)
        await w.manager.resume(sandbox.id, OWNER)
        await w.manager.stop(sandbox.id, OWNER)
        await w.clock.advance(1.5)
        moves = [each.event.event for each in history.kept if each.event.event != "step"]
        assert moves == ["created", "active", "paused", "resumed", "terminated"]
        assert {each.user_id for each in history.kept} == {OWNER}
        assert [each.event for each in await _events(w, sandbox)] == [
            each.event.event for each in history.kept
        ]


async def _events(w: World, sandbox: Sandbox):  # type: ignore[no-untyped-def]
    return await w.manager.events(sandbox.id, OWNER)


async def test_a_command_is_kept_with_its_end() -> None:
    history = FakeHistory()
    async with world(history=history) as w:
        sandbox = await w.create()
        await run(w, sandbox, "true")
        await w.clock.advance(1.5)
        kept = only(history)
        assert (kept.command, kept.status, kept.exit_code) == ("true", "ended", 0)
        assert kept.duration is not None
        assert (kept.sandbox_id, kept.user_id) == (sandbox.id, OWNER)


async def test_a_command_that_does_not_start_is_kept_with_the_reason() -> None:
    history = FakeHistory()
    async with world(history=history) as w:
        sandbox = await w.create()
        await error_of(w.manager.exec(sandbox.id, ExecRequest(("no-such-command",)), OWNER))
        await w.clock.advance(1.5)
        assert (only(history).status, only(history).error) == ("failed", "command_not_found")


async def test_one_whose_client_goes_is_broken_off() -> None:
    history = FakeHistory()
    async with world(history=history) as w:
        sandbox = await w.create()
        stream = await w.manager.exec(sandbox.id, ExecRequest(("sleep", "60")), OWNER)
        await w.clock.advance(1.5)
        assert only(history).status == "running"
        await stream.close()
        await w.clock.advance(1.5)
        assert only(history).status == "broken_off"


async def test_a_store_that_fails_loses_nothing_and_costs_nobody_anything() -> None:
    history = FakeHistory()
    async with world(history=history) as w:
        history.error = OrkeeError("disk_full", "The disk is full.")
        sandbox = await w.create()
        await run(w, sandbox, "true")
        await w.clock.advance(5)
        assert history.kept == []
        assert [each.event for each in await _events(w, sandbox)][-1] == "active", "from memory"
        history.error = None
        await w.clock.advance(60)
        assert "active" in [each.event.event for each in history.kept]
        assert only(history).status == "ended"


async def test_the_last_second_is_written_at_the_servers_stop() -> None:
    history = FakeHistory()
    async with world(history=history) as w:
        sandbox = await w.create()
        stream = await w.manager.exec(sandbox.id, ExecRequest(("sleep", "60")), OWNER)
        assert stream.pid
    assert history.kept[-1].event.event == "paused"
    assert only(history).status == "broken_off"
    assert history.closed


async def test_what_is_old_is_pruned_and_old_logs_are_swept() -> None:
    history = FakeHistory()
    async with world(history=history, history_days=2, history_rows=5, log_days=1, kept_logs=9) as w:
        await w.clock.advance(400)
        assert history.begun
        before, rows = history.pruned[-1]
        assert (rows, w.clock.now() - before >= 2 * 86400) == (5, True)
        assert w.hub.swept[-1][:2] == (86400, 9)


async def test_a_query_sees_the_askers_rows_and_logs_only_if_it_names_them() -> None:
    history = FakeHistory()
    async with world(history=history) as w:
        await w.create()
        await w.create(owner="eve")
        await w.manager.query("SELECT * FROM sessions", 7, OWNER)
        await w.manager.query("SELECT * FROM LOGS", 7, OWNER)
        assert [each[1:3] for each in history.asked] == [(OWNER, 1), (OWNER, 1)]
        assert history.asked[0][3:] == (0, 7)


async def test_without_a_history_a_query_is_refused_and_all_else_works() -> None:
    async with world() as w:
        sandbox = await w.create()
        await run(w, sandbox, "true")
        assert (await _events(w, sandbox))[-1].event == "active"
        assert (await error_of(w.manager.query("SELECT 1", 1, OWNER))).code == "store_failed"


async def test_values_of_environments_do_not_stand_in_a_kept_command() -> None:
    request = ExecRequest(
        ("sh", "-c", "curl -H tok3n-of-ada; echo sw0rd fish"), {"PASS": "sw0rd fish"}
    )
    text = command_text(request, {"TOKEN": "tok3n-of-ada"})
    assert "tok3n" not in text
    assert "sw0rd" not in text
    assert text.startswith("sh -c ")


async def test_a_kept_command_is_bounded_in_bytes() -> None:
    text = command_text(ExecRequest(("echo", "ä" * 9000)), {})
    assert len(text.encode()) <= COMMAND_LIMIT
    assert text.endswith("…")


def entry(seq: int, data: bytes, stream: str = "stdout", dropped: int = 0) -> LogEntry:
    return LogEntry(seq, float(seq), stream, data, dropped)


async def test_pieces_of_a_log_become_lines_whatever_they_were_cut_by() -> None:
    cutter = LineCutter("s")
    pieces = [
        entry(1, b"a\nb"),
        entry(2, b"e", "stderr"),
        entry(3, b"c\r\nd"),
        entry(4, b"", "dropped", 9),
    ]
    rows = [row for piece in pieces for row in cutter.feed(piece)] + list(cutter.finish())
    assert [(row["seq"], row["stream"], row["text"]) for row in rows] == [
        (1, "stdout", "a"),
        (1, "stdout", "bc"),
        (2, "stderr", "e"),
        (3, "stdout", "d"),
        (4, "dropped", "9 bytes are missing here."),
    ]


async def test_a_line_without_an_end_is_bounded() -> None:
    cutter = LineCutter("s")
    for seq in range(50):
        assert list(cutter.feed(entry(seq, b"x" * 1000))) == []
    (row,) = cutter.finish()
    assert len(row["text"]) == LONGEST + 1


@pytest.mark.parametrize(
    "body",
    [{}, {"query": 1}, {"query": " "}, {"query": "x" * 70_000}, {"query": "x", "rows": 0},
     {"query": "x", "rows": True}, {"query": "x", "rows": 100_001}, {"sql": "x"}],
)  # fmt: skip
async def test_what_is_no_query_is_refused(body: dict[str, object]) -> None:
    async def decode() -> object:
        return decode_sql(body)

    assert (await error_of(decode())).code == "invalid_request"


async def test_a_stop_in_the_midst_of_a_write_waits_for_it_a_second_at_most() -> None:
    history = FakeHistory()
    gate = asyncio.Event()
    keep = history.keep

    async def held(*args: object) -> None:
        await gate.wait()
        await keep(*args)  # type: ignore[arg-type]

    history.keep = held  # type: ignore[method-assign,assignment]
    async with world(history=history) as w:
        await w.create()
        await w.clock.advance(1.5)
        shutdown = asyncio.create_task(w.manager.shutdown())
        await w.clock.advance(30)
        gate.set()
        await shutdown
