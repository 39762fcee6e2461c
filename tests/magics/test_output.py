"""What of a flood of output a cell shows, and that it says what is missing."""

from __future__ import annotations

import io
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orkee_jupyter.magics.backlog import Backlog, Limits, human_size
from orkee_jupyter.magics.output import CellWriter

SMALL = Limits(rate=1000, burst=2000, total=5000, tail=500, interval=0.01)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def line(number: int) -> str:
    return f"line {number:05d}\n"  # 12 bytes in a message: the line end takes two


def text_of(batch: list[tuple[str, str]], stream: str = "stdout") -> str:
    return "".join(text for name, text in batch if name == stream)


def test_what_fits_comes_unchanged_and_in_order() -> None:
    backlog = Backlog(SMALL, "ALL", Clock())
    for stream, text in [("stdout", "a"), ("stdout", "b"), ("stderr", "c"), ("stdout", "d")]:
        backlog.add(stream, text)
    assert backlog.take() == [("stdout", "ab"), ("stderr", "c"), ("stdout", "d")]
    assert not backlog


def test_fast_alternation_is_joined_to_few_messages() -> None:
    backlog = Backlog(SMALL, "ALL", Clock())
    for _ in range(20):
        backlog.add("stderr", "e")
        backlog.add("stdout", "o")
    assert backlog.take() == [("stdout", "o" * 20), ("stderr", "e" * 20)]


def test_a_flood_shows_its_beginning_a_notice_and_its_end() -> None:
    backlog = Backlog(SMALL, "orkee sandbox logs x > file", Clock())
    for number in range(1000):
        backlog.add("stdout", line(number))
    batch = backlog.take() + backlog.take(closing=True)
    shown = text_of(batch)
    assert shown.startswith(line(0))
    assert shown.endswith(line(999))
    (notice,) = [text for name, text in batch if name == "stderr"]
    assert "left out here" in notice
    assert "orkee sandbox logs x > file" in notice
    assert backlog.left_out + len(shown) == 1000 * len(line(0))


def test_the_notice_counts_the_lines_left_out() -> None:
    backlog = Backlog(SMALL, "ALL", Clock())
    for number in range(1000):
        backlog.add("stdout", line(number))
    batch = backlog.take(closing=True)
    numbers = [int(n) for n in re.findall(r"line (\d+)", text_of(batch))]
    missing = 1000 - len(numbers)
    assert f"({missing:,} lines) left out here" in text_of(batch, "stderr")


def test_no_window_of_three_seconds_carries_more_than_jupyter_lets_through() -> None:
    clock, limits = Clock(), Limits()
    backlog = Backlog(limits, "ALL", clock)
    sent = []
    for tick in range(200):
        clock.now = tick * limits.interval
        for _ in range(20):
            backlog.add("stdout", "\x1b[31m\n" * 1000)
        batch = backlog.take(closing=tick == 199)
        assert len(batch) <= 5
        sent.append(sum(len(t.replace("\x1b", "\\u001b").replace("\n", "\\n")) for _, t in batch))
    window = int(3 / limits.interval)
    assert max(sum(sent[at : at + window]) for at in range(len(sent))) < 2_500_000
    assert sum(sent) > 3_000_000


def test_beyond_the_total_only_the_end_is_shown_and_that_is_said() -> None:
    clock = Clock()
    backlog = Backlog(SMALL, "ALL", clock)
    batches = []
    for number in range(2000):
        clock.now += 0.02
        backlog.add("stdout", line(number))
        batches += backlog.take()
    assert backlog.full
    assert "only the end will be shown. All of it: ALL" in batches[-1][1]
    end = backlog.take(closing=True)
    assert "left out here" in end[0][1]
    assert text_of(end).endswith(line(1999))
    assert len(text_of(batches) + text_of(end)) < SMALL.total + SMALL.tail


@given(st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.binary(max_size=400))))
def test_every_byte_is_shown_or_counted(pieces: list[tuple[str, bytes]]) -> None:
    backlog = Backlog(SMALL, "ALL", Clock())
    fed = shown = 0
    for stream, data in pieces:
        text = data.decode("latin-1").replace("[orkee]", "")
        fed += len(text.encode())
        backlog.add(stream, text) if text else None
    for _, text in backlog.take(closing=True):
        if "[orkee]" not in text:
            shown += len(text.encode())
    assert shown + backlog.left_out == fed


def test_the_writer_keeps_the_streams_apart(capsys: pytest.CaptureFixture[str]) -> None:
    with CellWriter("ALL") as writer:
        writer.feed("stdout", b"out \xe2\x82")
        writer.feed("stderr", b"\x1b]0;x\x07err\x1b[31m")
        writer.feed("stdout", b"\xac\n")
    captured = capsys.readouterr()
    assert captured.out == "out €\n"
    assert captured.err == "err\x1b[31m\x1b[0m"


def test_the_writer_says_what_the_log_itself_has_lost(capsys: pytest.CaptureFixture[str]) -> None:
    with CellWriter("ALL", limits=None) as writer:
        writer.missing(1_234_567)
    assert "1.2 MB of the log were lost here" in capsys.readouterr().err


def test_a_closed_output_fails_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    with pytest.raises(ValueError, match="closed file"), CellWriter("ALL") as writer:
        writer.feed("stdout", b"x")


def test_sizes_are_told_in_words() -> None:
    sizes = [0, 999, 1000, 999_949, 999_960, 1_234_567, 5_000_000_000]
    told = ["0 bytes", "999 bytes", "1.0 kB", "999.9 kB", "1.0 MB", "1.2 MB", "5.0 GB"]
    assert [human_size(size) for size in sizes] == told
