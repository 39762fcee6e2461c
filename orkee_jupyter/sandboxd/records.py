"""The records of a kept log: ``length: u32 | seq: u64 | time: u64 | channel: u8 | bytes``.

``time`` is in microseconds since 1970, ``length`` counts the bytes only. The
channel 0 marks bytes that are missing; its bytes are their count, a u64.
"""

from __future__ import annotations

import struct

from ..sandbox.model import LogEntry

HEADER = struct.Struct(">IQQB")
_COUNT = struct.Struct(">Q")
DROPPED = 0
STREAMS = ("dropped", "stdout", "stderr")


class Batch:
    """Records on their way to the disk, and what the index needs to know of them."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.first_seq = 0
        self.last_seq = 0
        self.last_time = 0.0  # the greatest, seconds since 1970
        self.content = 0  # bytes of output, missing ones included

    def add(self, seq: int, time_us: int, channel: int, data: bytes | memoryview) -> None:
        """Append a piece of output."""
        self._append(seq, time_us, channel, data)
        self.content += len(data)

    def add_dropped(self, first: int, last: int, time_us: int, missing: int) -> None:
        """Append the note that the records ``first`` to ``last`` are missing."""
        if not self.first_seq:
            self.first_seq = first
        self._append(last, time_us, DROPPED, _COUNT.pack(missing))
        self.content += missing

    def _append(self, seq: int, time_us: int, channel: int, data: bytes | memoryview) -> None:
        self.data += HEADER.pack(len(data), seq, time_us, channel)
        self.data += data
        if not self.first_seq:
            self.first_seq = seq
        self.last_seq = seq
        self.last_time = max(self.last_time, time_us / 1e6)


def parse(block: bytes) -> tuple[list[LogEntry], int]:
    """Return the whole records at the start of a block, and how many bytes they take."""
    entries = []
    position, size, header = 0, len(block), HEADER.size
    while position + header <= size:
        length, seq, time_us, channel = HEADER.unpack_from(block, position)
        end = position + header + length
        if end > size:
            break
        data = block[position + header : end]
        if channel == DROPPED:
            missing = _COUNT.unpack(data)[0] if len(data) == _COUNT.size else 0
            entries.append(LogEntry(seq, time_us / 1e6, STREAMS[0], b"", missing))
        else:
            entries.append(LogEntry(seq, time_us / 1e6, STREAMS[min(channel, 2)], data))
        position = end
    return entries, position


class TailCut:
    """Finds where the last ``lines`` lines begin, fed with records from the newest back.

    A line belongs to the pipe that it was written to, so each of the two has a
    cut of its own: ``cuts[stream]`` is (seq, offset) of the first byte to show. An
    unfinished last line counts as one.
    """

    def __init__(self, lines: int, newest: int) -> None:
        self._left = lines
        self._newest = newest  # what came after is shown whole
        self._inside = {"stdout": False, "stderr": False}
        self.cuts: dict[str, tuple[int, int]] = {}

    @property
    def is_done(self) -> bool:
        """Whether no older record can be part of a last line."""
        return self._left == 0 and not any(self._inside.values())

    @property
    def oldest(self) -> int:
        """The seq of the oldest record that is shown, in part or whole."""
        return min((seq for seq, _ in self.cuts.values()), default=self._newest + 1)

    def feed(self, entry: LogEntry) -> None:
        """Take the next older record."""
        stream, data = entry.stream, entry.data
        if stream not in self._inside:
            return
        position = len(data)
        while position > 0:
            if not self._inside[stream]:
                if self._left == 0:
                    return
                self._left -= 1
                self._inside[stream] = True
                if data[position - 1] == 10:
                    position -= 1
            newline = data.rfind(b"\n", 0, position)
            self.cuts[stream] = (entry.seq, newline + 1)
            if newline < 0:
                return
            position = newline + 1
            self._inside[stream] = False

    def shown(self, entry: LogEntry) -> LogEntry | None:
        """Return the entry, or the part of it that belongs to the last lines."""
        if entry.seq > self._newest:
            return entry
        if entry.stream == STREAMS[DROPPED]:
            return entry if entry.seq >= self.oldest else None
        cut = self.cuts.get(entry.stream)
        if cut is None or entry.seq < cut[0]:
            return None
        if entry.seq > cut[0] or cut[1] == 0:
            return entry
        data = entry.data[cut[1] :]
        return LogEntry(entry.seq, entry.time, entry.stream, data) if data else None
