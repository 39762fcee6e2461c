"""What of a flood of output is shown in a cell, and when: no threads, no files, only the decision.

Jupyter silently drops a kernel's output beyond 1,000,000 bytes or 1,000
messages a second over 3 s. The limits stay well below both.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .terminal import RESET

_SEGMENTS: Final = 4  # changes between stdout and stderr kept in one batch
_NOTICE: Final = "notice"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a cell carries. Sizes in bytes as sent to the front end, times in seconds."""

    rate: int = 256_000  # a second, sustained
    burst: int = 1_000_000  # at once, before the rate holds
    total: int = 10_000_000  # of one cell; beyond it only the end is shown
    tail: int = 128_000  # of the newest output, kept when something must be left out
    interval: float = 0.125  # between batches: 8 a second, each of 5 messages or less


NOTEBOOK: Final = Limits()


@dataclass(slots=True)
class _Piece:
    stream: str
    text: str
    size: int


def _size(text: str) -> int:
    """Return how many bytes a text takes in a message: as JSON, where ESC takes six."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")) - 2


def human_size(count: int) -> str:
    """Return a number of bytes in words, such as "1.2 MB"."""
    if count < 1000:
        return f"{count} bytes"
    size, unit = count / 1e3, "kB"
    for larger in ("MB", "GB"):
        if size >= 999.95:
            size, unit = size / 1e3, larger
    return f"{size:.1f} {unit}"


class Backlog:
    """Output between a sandbox and a cell. Not safe for threads: its owner holds a lock.

    Text goes from ``waiting`` to ``ready`` as the limits allow. What would make
    ``waiting`` longer than the tail is left out, oldest first, and counted; a
    notice of it takes its place. ``read_all`` is the command the notice names.
    """

    def __init__(self, limits: Limits, read_all: str, clock: Callable[[], float]) -> None:
        self.left_out = 0  # bytes in all
        self._limits = limits
        self._read_all = read_all
        self._clock = clock
        self._ready: list[_Piece] = []
        self._waiting: deque[_Piece] = deque()
        self._waiting_size = 0
        self._gap_bytes = 0  # left out before the first waiting piece
        self._gap_lines = 0
        self._told = False  # a notice has named the command
        self._admitted = 0  # bytes in all
        self._tokens = float(limits.burst)
        self._filled_at = clock()

    def __bool__(self) -> bool:
        return bool(self._ready or self._waiting)

    @property
    def full(self) -> bool:
        """Whether the total was reached, so that only the end will still be shown."""
        return self._admitted >= self._limits.total

    def add(self, stream: str, text: str) -> None:
        """Take a piece of text of "stdout" or "stderr", of some 16 KiB or less."""
        piece = _Piece(stream, text, _size(text))
        self._waiting.append(piece)
        self._waiting_size += piece.size
        self._admit()
        if self._waiting_size > self._limits.tail:
            self._trim()

    def take(self, *, closing: bool = False) -> list[tuple[str, str]]:
        """Return (stream, text) to show now, in order: everything there is when ``closing``."""
        self._admit(closing=closing)
        ready, self._ready = self._ready, []
        return _segments(ready)

    def _admit(self, *, closing: bool = False) -> None:
        self._refill()
        # After a gap a good part comes at once, rather than a line and a notice at a time.
        held = self.full or (self._gap_bytes > 0 and self._tokens < self._waiting_size)
        if held and not closing:
            return
        if self._gap_bytes and self._waiting:
            self._notice(self._gap_text())
        while self._waiting and (closing or self._waiting[0].size <= self._tokens):
            piece = self._waiting.popleft()
            self._waiting_size -= piece.size
            self._tokens -= piece.size
            self._admitted += piece.size
            self._ready.append(piece)
            if self.full and not closing:
                self._notice(self._full_text())
                return

    def _refill(self) -> None:
        now = self._clock()
        grown = self._tokens + (now - self._filled_at) * self._limits.rate
        self._tokens, self._filled_at = min(float(self._limits.burst), grown), now

    def _trim(self) -> None:
        """Leave out the oldest waiting pieces, down to the tail and to the start of a line."""
        while self._waiting_size > self._limits.tail and len(self._waiting) > 1:
            piece = self._waiting.popleft()
            self._waiting_size -= piece.size
            self._leave_out(piece.text)
        first = self._waiting[0]
        cut = first.text.find("\n") + 1
        if 0 < cut < len(first.text):
            self._leave_out(first.text[:cut])
            rest = _Piece(first.stream, first.text[cut:], _size(first.text[cut:]))
            self._waiting_size -= first.size - rest.size
            self._waiting[0] = rest

    def _leave_out(self, text: str) -> None:
        size = len(text.encode("utf-8", "replace"))
        self._gap_bytes += size
        self._gap_lines += text.count("\n")
        self.left_out += size

    def _notice(self, text: str) -> None:
        self._ready.append(_Piece(_NOTICE, f"\n{RESET}[orkee] {text}\n", 0))

    def _gap_text(self) -> str:
        text = f"{human_size(self._gap_bytes)} ({self._gap_lines:,} lines) left out here"
        self._gap_bytes = self._gap_lines = 0
        if self._told:
            return f"{text}."
        self._told = True
        return f"{text}, more than a cell carries. All of it: {self._read_all}"

    def _full_text(self) -> str:
        self._told = True
        return (
            f"{human_size(self._admitted)} shown, as much as a cell carries. "
            f"From here on only the end will be shown. All of it: {self._read_all}"
        )


def _segments(pieces: list[_Piece]) -> list[tuple[str, str]]:
    """Return few texts out of many pieces; notices, on stderr, keep their place."""
    segments: list[tuple[str, str]] = []
    part: list[_Piece] = []
    for piece in [*pieces, _Piece(_NOTICE, "", 0)]:
        if piece.stream != _NOTICE:
            part.append(piece)
            continue
        segments += _joined(part)
        part = []
        if piece.text:
            segments.append(("stderr", piece.text))
    return segments


def _joined(pieces: list[_Piece]) -> list[tuple[str, str]]:
    """Join neighbours of one stream; where that leaves many, all of stdout comes first."""
    runs: list[tuple[str, list[str]]] = []
    for piece in pieces:
        if not runs or runs[-1][0] != piece.stream:
            runs.append((piece.stream, []))
        runs[-1][1].append(piece.text)
    if len(runs) > _SEGMENTS:
        runs = [(s, [p.text for p in pieces if p.stream == s]) for s in ("stdout", "stderr")]
    return [(stream, "".join(texts)) for stream, texts in runs]
