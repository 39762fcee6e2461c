"""The kept log: queries, followers, its bound, and a disk that fails."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import LogEntry, LogQuery
from orkee_jupyter.sandboxd import logs
from orkee_jupyter.sandboxd.connections import Connection
from orkee_jupyter.sandboxd.logs import LogSpool
from orkee_jupyter.sandboxd.pump import LogPump
from orkee_jupyter.sandboxd.records import Batch, TailCut, parse
from orkee_jupyter.sandboxd.sweeping import sweep_logs

MakeSpool = Callable[..., LogSpool]


def batch(first: int, *pieces: bytes, channel: int = 1, size: int = 0) -> Batch:
    """Return records from seq ``first`` on, whose time in seconds is their seq."""
    made = Batch()
    for number, piece in enumerate(pieces):
        seq = first + number
        made.add(seq, seq * 1_000_000, channel, piece.ljust(size, b"."))
    return made


async def read(spool: LogSpool, **query: object) -> list[LogEntry]:
    """Return what a query gives."""
    return [entry async for entry in spool.read(LogQuery(**query))]  # type: ignore[arg-type]


async def text(spool: LogSpool, **query: object) -> bytes:
    """Return the bytes that a query gives."""
    return b"".join([entry.data for entry in await read(spool, **query)])


@pytest_asyncio.fixture
async def make(tmp_path: Path) -> AsyncIterator[MakeSpool]:
    """Return a maker of a spool in a folder of the test's."""
    pools = [ThreadPoolExecutor(1), ThreadPoolExecutor(2)]
    spools = []

    def make_spool(limit: int = 1 << 26) -> LogSpool:
        folder = tmp_path / "log"
        folder.mkdir()
        spools.append(LogSpool(folder, limit, *pools))
        return spools[-1]

    yield make_spool
    for spool in spools:
        spool.finish()
    for pool in pools:
        pool.shutdown()


@pytest.mark.asyncio
async def test_all_comes_back_in_order_with_times_and_streams(make: MakeSpool) -> None:
    spool = make()
    await spool.append(batch(1, b"a\n", b"\xff\0"))
    await spool.append(batch(3, b"e\n", channel=2))
    assert await read(spool) == [
        LogEntry(1, 1.0, "stdout", b"a\n"),
        LogEntry(2, 2.0, "stdout", b"\xff\0"),
        LogEntry(3, 3.0, "stderr", b"e\n"),
    ]


@pytest.mark.asyncio
async def test_after_and_since_leave_out_what_is_older(
    make: MakeSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MARK_EVERY", 64)
    spool = make(8 * 4096)
    for seq in range(1, 200, 2):
        await spool.append(batch(seq, b"%d " % seq, b"%d " % (seq + 1), size=100))
    for seq in (0, 1, 99, 100, 199, 200, 500):
        assert [e.seq for e in await read(spool, after=seq)] == list(range(seq + 1, 201))
        assert [e.seq for e in await read(spool, since=float(seq))] == list(range(max(seq, 1), 201))


@pytest.mark.asyncio
async def test_tail_counts_lines_of_each_pipe(make: MakeSpool) -> None:
    spool = make()
    await spool.append(batch(1, b"one\ntwo\nth", b"ree\n"))
    await spool.append(batch(3, b"err\n", channel=2))
    await spool.append(batch(4, b"four\nunfin", b"ished"))
    assert await text(spool, tail=0) == b""
    assert await text(spool, tail=1) == b"unfinished"
    assert await text(spool, tail=2) == b"four\nunfinished"
    assert await text(spool, tail=3) == b"err\nfour\nunfinished"
    assert await text(spool, tail=4) == b"three\nerr\nfour\nunfinished"
    assert await text(spool, tail=99) == b"one\ntwo\nthree\nerr\nfour\nunfinished"


@given(st.lists(st.text("ab\n", min_size=1, max_size=9), max_size=12), st.integers(0, 8))
def test_tail_of_one_pipe_is_that_of_its_lines(pieces: list[str], lines: int) -> None:
    made = Batch()
    for seq, piece in enumerate(pieces, 1):
        made.add(seq, 0, 1, piece.encode())
    entries, _ = parse(bytes(made.data))
    cut = TailCut(lines, len(entries))
    for entry in reversed(entries):
        cut.feed(entry)
    shown = b"".join(s.data for e in entries if (s := cut.shown(e)) is not None)
    whole = b"".join(entry.data for entry in entries).splitlines(keepends=True)
    assert shown == b"".join(whole[len(whole) - min(lines, len(whole)) :])


@pytest.mark.asyncio
async def test_the_end_of_a_log_whose_first_record_is_being_written_is_empty(
    make: MakeSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = make()
    await spool.create()
    opened, go_on, write = asyncio.Event(), threading.Event(), logs._write_all
    loop = asyncio.get_running_loop()

    def slow(fd: int, data: bytes, offset: int) -> None:
        loop.call_soon_threadsafe(opened.set)
        go_on.wait(10)
        write(fd, data, offset)

    monkeypatch.setattr(logs, "_write_all", slow)
    appending = asyncio.create_task(spool.append(batch(1, b"a\n")))
    await opened.wait()
    assert await text(spool, tail=1) == b""
    go_on.set()
    await appending
    assert await text(spool, tail=1) == b"a\n"


@pytest.mark.asyncio
async def test_tail_with_follow_goes_on_with_all_that_is_new(make: MakeSpool) -> None:
    spool = make()
    await spool.append(batch(1, b"old\nlast\n"))
    following = asyncio.create_task(text(spool, tail=1, follow=True))
    await asyncio.sleep(0)
    await spool.append(batch(2, b"err\n", channel=2))
    spool.finish()
    assert await following == b"last\nerr\n"


@pytest.mark.asyncio
async def test_followers_at_their_own_pace_all_get_all(make: MakeSpool) -> None:
    spool = make()
    followers = [asyncio.create_task(text(spool, follow=True)) for _ in range(20)]
    slow = spool.read(LogQuery(follow=True))
    wanted = b""
    for seq in range(1, 50):
        piece = b"%d\n" % seq * 500
        wanted += piece
        await spool.append(batch(seq, piece))
        if seq == 1:
            assert (await anext(slow)).seq == 1
    spool.finish()
    assert set(await asyncio.gather(*followers)) == {wanted}
    assert [entry.seq async for entry in slow] == list(range(2, 50))


@pytest.mark.asyncio
async def test_the_oldest_segment_goes_and_readers_are_told(make: MakeSpool) -> None:
    spool = make(8 * 4096)
    for seq in range(1, 101):
        await spool.append(batch(seq, b"", size=1000))
    first, *rest = await read(spool)
    assert first.stream == "dropped"
    assert rest[0].seq == first.seq + 1
    assert first.dropped + sum(len(entry.data) for entry in rest) == 100_000
    used = sum(path.stat().st_size for path in spool._folder.iterdir())
    assert used <= 8 * 4096 + 1100


@pytest.mark.asyncio
async def test_a_reader_that_falls_behind_learns_how_much_it_missed(make: MakeSpool) -> None:
    spool = make(8 * 4096)
    await spool.append(batch(1, b"first"))
    slow = spool.read(LogQuery(follow=True))
    seen = [await anext(slow)]
    for seq in range(2, 101):
        await spool.append(batch(seq, b"", size=1000))
    spool.finish()
    seen += [entry async for entry in slow]
    assert [e.stream for e in seen[:3]].count("dropped") == 1
    assert sum(len(e.data) + e.dropped for e in seen) == 5 + 99_000


@pytest.mark.asyncio
async def test_a_tail_within_what_is_kept_tells_of_no_loss(make: MakeSpool) -> None:
    spool = make(8 * 4096)
    for seq in range(1, 101):
        await spool.append(batch(seq, b"x" * 1000 + b"\n"))
    assert [e.stream for e in await read(spool, tail=5)] == ["stdout"] * 5
    assert (await read(spool, tail=1000))[0].stream == "dropped"


@pytest.mark.asyncio
async def test_what_the_daemon_dropped_is_told_in_its_place(make: MakeSpool) -> None:
    spool = make()
    await spool.append(batch(1, b"a"))
    lost = Batch()
    lost.add_dropped(2, 9, 5_000_000, 777)
    lost.add(10, 10_000_000, 1, b"b")
    await spool.append(lost)
    assert [(e.seq, e.stream, e.dropped) for e in await read(spool)] == [
        (1, "stdout", 0),
        (9, "dropped", 777),
        (10, "stdout", 0),
    ]


@pytest.mark.asyncio
async def test_a_full_disk_loses_entries_aloud_and_not_the_log(
    make: MakeSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    spool = make()
    await spool.append(batch(1, b"before"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        await spool.append(batch(2, b"lost"))
        await spool.append(batch(3, b"lost too"))
    await spool.append(batch(4, b"after"))
    assert [(e.seq, e.data, e.dropped) for e in await read(spool)] == [
        (1, b"before", 0),
        (3, b"", 12),
        (4, b"after", 0),
    ]


@pytest.mark.asyncio
async def test_a_deleted_file_is_a_loss_that_is_told(make: MakeSpool) -> None:
    spool = make(8 * 4096)
    for seq in range(1, 13):
        await spool.append(batch(seq, b"", size=1000))
    spool.segments[1].path.unlink()
    entries = await read(spool)
    assert sum(len(e.data) + e.dropped for e in entries) == 12_000
    assert [e.stream for e in entries].count("dropped") == 1


@pytest.mark.asyncio
async def test_the_log_of_an_earlier_server_is_read_up_to_the_cut(
    make: MakeSpool, tmp_path: Path
) -> None:
    spool = make(8 * 4096)
    for seq in range(1, 11):
        await spool.append(batch(seq, b"%d\n" % seq, size=1000))
    wanted = await read(spool)
    with spool.segments[-1].path.open("ab") as file:
        file.write(b"\0\0\0\x09torn")
    later = LogSpool(tmp_path / "log", 8 * 4096, spool._writer, spool._readers)
    assert await later.load()
    assert await read(later, follow=True) == wanted
    assert await read(later, after=7) == wanted[7:]
    assert len(await read(later, tail=2)) > 0


@pytest.mark.asyncio
async def test_removing_ends_followers_and_leaves_no_file(make: MakeSpool) -> None:
    spool = make()
    await spool.append(batch(1, b"a"))
    following = asyncio.create_task(text(spool, follow=True))
    await asyncio.sleep(0)
    await spool.remove()
    assert await following in (b"a", b"")
    assert not spool._folder.exists()


def test_a_sweep_removes_old_logs_and_spares_new_and_used_ones(tmp_path: Path) -> None:
    for name in ("old", "used", "new"):
        (tmp_path / name).mkdir()
    for name in ("old", "used"):
        os.utime(tmp_path / name, (0, 0))
    assert sweep_logs(tmp_path, 60.0, 10, {"used"}) == ["old"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "used"]


@pytest.mark.asyncio
async def test_a_follower_that_is_far_behind_is_moved_on_and_told_what_it_missed(
    make: MakeSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MARK_EVERY", 256)
    spool = make()
    for seq in range(1, 101):
        await spool.append(batch(seq, b"", size=100))
    following = spool.read(LogQuery(follow=True, leap=4000))
    missed = await anext(following)
    rest = [await anext(following)]
    spool.finish()
    rest += [entry async for entry in following]
    assert missed.stream == "dropped"
    assert missed.dropped + sum(len(entry.data) for entry in rest) == 10_000
    assert [entry.seq for entry in rest] == list(range(missed.seq + 1, 101))
    assert 1000 <= 10_000 - missed.dropped <= 1400


@pytest.mark.asyncio
async def test_a_log_that_has_ended_is_read_whole_however_long_it_is(make: MakeSpool) -> None:
    spool = make()
    await spool.append(batch(1, *[b""] * 100, size=100))
    spool.finish()
    assert len(await text(spool, follow=True, leap=1000)) == 10_000


@pytest.mark.asyncio
async def test_a_daemon_that_is_away_for_long_is_asked_for_its_log_again(
    make: MakeSpool,
) -> None:
    answers = iter(["link_failed", "link_failed", "sandbox_lost"])

    async def take() -> Connection:
        raise OrkeeError(next(answers), "There is no stream.")

    with pytest.raises(OrkeeError) as caught:
        await LogPump(make(), take, 1.0).run()
    assert caught.value.code == "sandbox_lost"
