"""Notices when something keeps the event loop, and says what it was."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from typing import Final

log = logging.getLogger(__name__)

#: Seconds between two beats of the loop.
BEAT: Final = 0.01
_KEPT: Final = 50


@dataclass(frozen=True, slots=True)
class Stall:
    """One time that the loop was kept: for how long, and the stack of the culprit."""

    lag: float  # seconds
    stack: str


class LoopLag:
    """Measures how late the running loop is.

    What its thread spent waiting for a CPU behind other programs does not count, nor what
    another thread did, which may have held the interpreter's lock meanwhile: a busy machine
    is not a blocked loop (known on Linux, where the kernel counts it).

    ``async with LoopLag(0.05) as lag:`` … then ``lag.worst`` is the longest lag in
    seconds and ``lag.stalls`` holds those above the limit, with the stack that the
    loop's thread had in the midst of it; each is logged too.
    """

    def __init__(self, max: float = 0.05) -> None:  # noqa: A002 (reads as LoopLag(max=0.05))
        if max <= 0:
            raise ValueError("the limit of the lag is not above 0")
        self.max = max
        self.worst = 0.0
        self.stalls: list[Stall] = []
        self._beat = 0.0
        self._waits = _Waits()
        self._stack = ""
        self._stop = threading.Event()
        self._loop_thread = 0
        self._watcher: threading.Thread | None = None
        self._beats: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to measure the running loop."""
        if self._beats is not None:
            return
        self._stop.clear()
        self._loop_thread = threading.get_ident()
        self._beat = time.monotonic()
        self._waits.since_last()
        self._beats = asyncio.create_task(self._pulse())
        self._watcher = threading.Thread(target=self._watch, name="orkee-loop-lag", daemon=True)
        self._watcher.start()

    async def stop(self) -> None:
        """End the measuring. May be called twice."""
        if self._beats is None or self._watcher is None:
            return
        self._note(time.monotonic())
        self._beats.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._beats
        self._stop.set()
        self._watcher.join()  # it wakes at once: waits on the event only
        self._beats = self._watcher = None
        self._waits.close()

    async def __aenter__(self) -> LoopLag:
        self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def _pulse(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            self._note(time.monotonic())

    def _note(self, now: float) -> None:
        lag = max(0.0, now - self._beat - BEAT - self._waits.since_last())
        self._beat = now
        stack, self._stack = self._stack, ""
        self.worst = max(self.worst, lag)
        if lag > self.max:
            stall = Stall(lag, stack or "no stack: it was over before it was seen\n")
            del self.stalls[: len(self.stalls) - _KEPT + 1]
            self.stalls.append(stall)
            log.warning("orkee: the event loop was kept for %.0f ms by\n%s", lag * 1e3, stall.stack)

    def _watch(self) -> None:
        while not self._stop.wait(self.max / 4):
            late = time.monotonic() - self._beat - BEAT
            # Taken a little early: at the limit itself the culprit may be gone already.
            if late > self.max * 0.6 and not self._stack:
                frame = sys._current_frames().get(self._loop_thread)
                if frame is not None:
                    self._stack = "".join(traceback.format_stack(frame, limit=12))


class _Waits:
    """How long this process's threads were ready to run but did not get a CPU."""

    def __init__(self) -> None:
        self._files: dict[int, int] = {}  # by the kernel's id of the thread
        self._seconds: dict[int, float] = {}

    def since_last(self) -> float:
        """Return the seconds since the last call: this thread's own, and the most of another."""
        threads = {thread.native_id for thread in threading.enumerate()} - {None}
        for gone in self._files.keys() - threads:
            os.close(self._files.pop(gone))
            self._seconds.pop(gone, None)
        waits: dict[int, float] = {}
        for thread in threads:
            assert thread is not None
            seconds = self._read(thread)
            waits[thread] = seconds - self._seconds.get(thread, seconds)
            self._seconds[thread] = seconds
        own = waits.pop(threading.get_native_id(), 0.0)
        return own + max(waits.values(), default=0.0)

    def _read(self, thread: int) -> float:
        try:
            if thread not in self._files:
                path = f"/proc/self/task/{thread}/schedstat"
                self._files[thread] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            return int(os.pread(self._files[thread], 100, 0).split()[1]) / 1e9
        except (OSError, IndexError, ValueError):
            return 0.0

    def close(self) -> None:
        """Let the files go."""
        for file in self._files.values():
            os.close(file)
        self._files.clear()
        self._seconds.clear()
