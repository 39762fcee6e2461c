"""A kept log as lines, for those who ask for lines: pieces are cut where they were read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from .model import LogEntry

#: Bytes of a line that are shown.
LONGEST: Final = 16_384


class LineCutter:
    """Makes lines of a log's pieces. A line has the time and number of its first piece."""

    def __init__(self, sandbox_id: str) -> None:
        self._sandbox_id = sandbox_id
        self._open: dict[str, tuple[LogEntry, bytearray]] = {}  # by stream

    def feed(self, entry: LogEntry) -> Iterator[dict[str, Any]]:
        """Yield the lines that a piece completes."""
        if entry.stream == "dropped":
            yield from self.finish()
            yield self._row(entry, b"%d bytes are missing here." % entry.dropped)
            return
        *ended, rest = entry.data.split(b"\n")
        for piece in ended:
            first, data = self._open.pop(entry.stream, (entry, bytearray()))
            yield self._row(first, bytes(data) + piece)
        if rest:
            _, data = self._open.setdefault(entry.stream, (entry, bytearray()))
            data += rest[: max(0, LONGEST + 1 - len(data))]

    def finish(self) -> Iterator[dict[str, Any]]:
        """Yield the lines that have no end."""
        for first, data in self._open.values():
            yield self._row(first, bytes(data))
        self._open.clear()

    def _row(self, entry: LogEntry, data: bytes) -> dict[str, Any]:
        text = data[:LONGEST].decode("utf-8", "replace").removesuffix("\r")
        return {
            "sandbox_id": self._sandbox_id,
            "seq": entry.seq,
            "time": entry.time,
            "stream": entry.stream,
            "text": f"{text}…" if len(data) > LONGEST else text,
        }
