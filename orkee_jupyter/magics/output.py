"""Output of a sandbox, written to a cell as it comes and within what a notebook carries."""

from __future__ import annotations

import contextvars
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, TextIO

from .backlog import NOTEBOOK, Backlog, Limits, human_size
from .terminal import RESET, TextStream

STREAMS: Final = ("stdout", "stderr")
_PIECE: Final = 16_384  # bytes decoded at once: what is left out goes in such pieces


class CellWriter:
    """Writes the two output streams of a sandbox to ``sys.stdout`` and ``sys.stderr``.

    A context manager; ``feed`` never waits for the front end. The order of
    stdout and stderr is kept, unless they alternate more than four times within
    a batch of 125 ms: then that batch shows stdout first. ``read_all`` is the
    command that the notice of something left out names. Without ``limits`` (a
    terminal) everything is written at once.
    """

    def __init__(
        self,
        read_all: str,
        *,
        limits: Limits | None = NOTEBOOK,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Taken now: a captured or redirected cell replaces them for its own time only.
        self._files: dict[str, TextIO] = {"stdout": sys.stdout, "stderr": sys.stderr}
        self._texts = {name: TextStream() for name in STREAMS}
        self._limits = limits
        self._backlog = Backlog(limits or NOTEBOOK, read_all, clock)
        self._changed = threading.Condition()
        self._closed = False
        self._hurry = False  # somebody waits for all that may be written now
        self._failure: Exception | None = None
        self._thread: threading.Thread | None = None

    @property
    def left_out(self) -> int:
        """Return how many bytes were left out so far."""
        return self._backlog.left_out

    def __enter__(self) -> CellWriter:
        if self._limits is not None:
            # Output belongs to a cell by a context variable: the thread takes it along.
            context = contextvars.copy_context()
            self._thread = threading.Thread(
                target=context.run,
                args=(self._run, self._limits.interval),
                name="orkee-cell-output",
                daemon=True,
            )
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in STREAMS:
            self._add(name, self._texts[name].end())
            if self._texts[name].coloured:
                self._add(name, RESET)
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout=10)
        if self._failure is not None and error is None:
            raise self._failure

    def feed(self, stream: str, data: bytes) -> None:
        """Show a piece of output of "stdout" or "stderr"."""
        name = stream if stream in STREAMS else "stdout"
        for at in range(0, len(data), _PIECE):
            self._add(name, self._texts[name].feed(data[at : at + _PIECE]))

    def settle(self, timeout: float = 2.0) -> None:
        """Wait until what was fed is written, so that what is shown next comes behind it.

        What the limits hold back is not waited for.
        """
        if self._thread is None:
            return
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._hurry or self._closed, timeout)

    def missing(self, count: int) -> None:
        """Say that the sandbox itself lost ``count`` bytes of its log here."""
        self._add("stderr", f"\n[orkee] {human_size(count)} of the log were lost here.\n")

    def _add(self, stream: str, text: str) -> None:
        if not text:
            return
        if self._limits is None:
            self._write(stream, text)
            return
        with self._changed:
            self._backlog.add(stream, text)
            self._changed.notify()

    def _run(self, interval: float) -> None:
        """Write batches. Alone in this thread, so that an interrupt of the cell tears no write."""
        closing = False
        while not closing:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._backlog or self._hurry)
                closing, hurried = self._closed, self._hurry
                batch = self._backlog.take(closing=closing)
            try:
                for stream, text in batch:
                    self._write(stream, text)
            except Exception as error:  # raised again where the cell can see it
                self._failure = error
                return
            with self._changed:
                if hurried:
                    self._hurry = False
                    self._changed.notify_all()
                self._changed.wait_for(lambda: self._closed or self._hurry, timeout=interval)

    def _write(self, stream: str, text: str) -> None:
        file = self._files[stream]
        file.write(text)
        file.flush()
