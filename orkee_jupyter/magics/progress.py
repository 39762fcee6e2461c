"""One line that says what takes long: shown after a second, repainted, in the end replaced."""

from __future__ import annotations

import contextvars
import sys
import threading
import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

from .terminal import one_line

_DELAY: Final = 1.0  # seconds before the line appears
_INTERVAL: Final = 0.5  # seconds between repaints

#: Shows a line; told whether it is the first and whether it is the last one.
Painter = Callable[[str, bool, bool], None]


class ProgressLine:
    """A context manager around something long; call it with each step's sentence.

    Nothing is shown of what takes less than a second. ``paint`` shows a line:
    see :func:`cell_painter` and :func:`terminal_painter`.
    """

    def __init__(
        self,
        first_step: str,
        paint: Painter,
        *,
        delay: float = _DELAY,
        interval: float = _INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._step = first_step
        self._paint = paint
        self._delay = delay
        self._interval = interval
        self._clock = clock
        self._began = clock()
        self._ended = threading.Event()
        self._shown = False
        # The cell that output belongs to is a context variable: the thread takes it along.
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name="orkee-progress", daemon=True
        )

    def __call__(self, step: str) -> None:
        """Take the sentence of the step that begins."""
        self._step = step

    def __enter__(self) -> ProgressLine:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join(timeout=5)
        if self._shown:
            done = "done" if error is None else "not finished"
            self._paint(f"{done} after {self._clock() - self._began:.1f} s", False, True)

    def _run(self) -> None:
        pause = self._delay
        while not self._ended.wait(pause):
            elapsed = int(self._clock() - self._began)
            self._paint(f"{one_line(self._step)} … {elapsed} s", not self._shown, False)
            self._shown = True
            pause = self._interval


def cell_painter(publish: Callable[..., None]) -> Painter:
    """Return a painter that updates one display of a notebook cell in place.

    ``publish`` is the shell's ``display_pub.publish``.
    """
    transient = {"display_id": f"orkee-{uuid.uuid4().hex}"}

    def paint(line: str, first: bool, last: bool) -> None:
        data: dict[str, Any] = {"text/plain": line}
        publish(data, transient=transient, update=not first)

    return paint


def terminal_painter() -> Painter:
    """Return a painter that overwrites one line of a terminal; it paints nothing elsewhere."""
    file = sys.stderr

    def paint(line: str, first: bool, last: bool) -> None:
        if file.isatty():
            file.write(f"\r\x1b[K{line}" + ("\n" if last else ""))
            file.flush()

    return paint
