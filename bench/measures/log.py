"""A log's way from the container's program to the client."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any, cast

from .. import programs
from ..subjects import Box, Subject
from . import Figure, Measure, Sample

MB = 1_000_000


class LogDelay(Measure):
    """A line that holds the time at which it was written, followed by the client."""

    name = "log-delay"
    needs = frozenset({"follow"})
    figures = (Figure("log_delay", "a log line from its write to the client", "ms"),)

    def prepare(self, subject: Subject) -> Any:
        return subject.start(programs.CLOCK)

    def sample(self, subject: Subject, shared: Any) -> Sample:
        """Take lines that come after the follower has caught up."""
        delays: list[float] = []
        skip, wanted = 10, self.scale.size(30, 5)
        started = time.time()
        with closing(cast("Any", shared.follow())) as pieces:
            for line in _lines(pieces):
                now = time.time()
                if float(line) < started:
                    continue
                skip -= 1
                if skip < 0:
                    delays.append((now - float(line)) * 1e3)
                if len(delays) == wanted:
                    return {"log_delay": delays}
        raise RuntimeError("the log ended")

    def finish(self, subject: Subject, shared: Any) -> None:
        shared.stop()


class LogRate(Measure):
    """As many lines of 100 bytes as go through; each byte is counted."""

    name = "log-rate"
    needs = frozenset({"follow"})
    figures = (Figure("log_rate", "log followed by the client, nothing lost", "MB/s", more=True),)

    def rounds(self) -> int:
        return self.scale.few()

    def sample(self, subject: Subject, shared: Any) -> Sample:
        size = self.scale.size(40 * MB, 4 * MB)
        box = subject.start(programs.flood(size))
        try:
            return {"log_rate": [_rate(box, size)]}
        finally:
            box.stop()


def _rate(box: Box, size: int) -> float:
    begun, got = 0.0, 0
    with closing(cast("Any", box.follow())) as pieces:
        for piece in pieces:
            begun = begun or time.perf_counter()
            got += len(piece)
            if got >= size:
                break
    if got != size:
        raise RuntimeError(f"{size - got} bytes of the log were lost")
    return size / MB / (time.perf_counter() - begun)


def _lines(pieces: Any) -> Any:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
