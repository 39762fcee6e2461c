"""A line that says what is going on, for what takes over a second. Always on stderr."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from .output import plain

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

DELAY = 1.0  # seconds of silence
REPEAT = 30.0  # seconds after which a file is told that the same step goes on


class Progress:
    """Call it with a sentence for each step. A terminal shows one line, a file gets each.

    Both with the time since the beginning. What ends within ``delay`` seconds shows nothing.
    """

    def __init__(self, sentence: str, delay: float = DELAY) -> None:
        self._sentence = sentence
        self._delay = delay
        self._begin = time.monotonic()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._shown = threading.Event()
        self._bar: Bar | None = None
        self._thread = threading.Thread(target=self._tell, name="orkee-progress", daemon=True)

    def __call__(self, sentence: str) -> None:
        with self._lock:
            self._sentence = plain(sentence)
            if self._shown.is_set():
                self._show()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._bar is not None:
            self._bar.stop()

    def _tell(self) -> None:
        wait = self._delay
        while not self._over.wait(wait):
            wait = REPEAT
            with self._lock:
                if self._bar is None:  # a terminal's line moves by itself
                    self._show()
                self._shown.set()

    def _show(self) -> None:
        if not sys.stderr.isatty():
            seconds = time.monotonic() - self._begin
            print(f"[{seconds:.0f} s] {self._sentence}", file=sys.stderr, flush=True)
        elif self._bar is None:
            self._bar = _bar(self._sentence)
            self._bar.start()
        else:
            self._bar.update(self._bar.task_ids[0], description=self._sentence)


def _bar(sentence: str) -> Bar:
    """Return a line with a spinner, a sentence and the elapsed time."""
    # Imported only now, for it costs 80 ms that a quick verb must not pay.
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    bar = Bar(*columns, console=Console(stderr=True), transient=True)
    bar.add_task(sentence, total=None)
    return bar
