"""The line that says what takes long."""

from __future__ import annotations

import threading

import pytest

from orkee_jupyter.magics.progress import ProgressLine, cell_painter


class Paint:
    def __init__(self) -> None:
        self.lines: list[tuple[str, bool, bool]] = []
        self.painted = threading.Event()

    def __call__(self, line: str, first: bool, last: bool) -> None:
        self.lines.append((line, first, last))
        self.painted.set()


def test_what_is_quick_shows_nothing() -> None:
    paint = Paint()
    with ProgressLine("starting", paint, delay=60):
        pass
    assert paint.lines == []


def test_the_step_is_shown_once_and_replaced_at_the_end() -> None:
    paint = Paint()
    with ProgressLine("starting", paint, delay=0.01, interval=0.01) as progress:
        assert paint.painted.wait(5)
        progress("pulling \x1b[31mnode\n")
        paint.painted.clear()
        assert paint.painted.wait(5)
        paint.painted.clear()
        assert paint.painted.wait(5)
    assert paint.lines[0] == ("starting … 0 s", True, False)
    assert "pulling \ufffd[31mnode\ufffd … 0 s" in [line for line, _, _ in paint.lines]
    line, first, last = paint.lines[-1]
    assert (line[:10], first, last) == ("done after", False, True)


def test_an_error_is_not_called_done() -> None:
    paint = Paint()

    def fail() -> None:
        with ProgressLine("s", paint, delay=0.01, interval=0.01):
            assert paint.painted.wait(5)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert paint.lines[-1][0].startswith("not finished after")


def test_a_cell_has_one_display_that_is_updated() -> None:
    published = []
    paint = cell_painter(lambda data, **kwargs: published.append((data, kwargs)))
    paint("a", True, False)
    paint("b", False, True)
    (first, begin), (second, end) = published
    assert (first, second) == ({"text/plain": "a"}, {"text/plain": "b"})
    assert begin["transient"] == end["transient"]
    assert (begin["update"], end["update"]) == (False, True)
