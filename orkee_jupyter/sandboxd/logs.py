"""The kept log of one sandbox: segments on disk, bounded, read by any number at their own pace."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ..sandbox.model import LogEntry, LogQuery
from .records import Batch, TailCut, parse
from .sweeping import claim

SEGMENT_SIZE = 16 * 1024 * 1024
#: Bytes that a reader holds at once: its whole memory. They are cut into records on the
#: event loop, for threads that compute would keep it from getting the interpreter's lock
#: after each system call; so a block is small.
BLOCK_SIZE = 65_536
#: Bytes between two marks of the index.
MARK_EVERY = 262_144

_T = TypeVar("_T")


@dataclass(slots=True, eq=False)
class Segment:
    """One file of records. The event loop owns its fields; they grow after a write."""

    path: Path
    first_seq: int
    start: int  # bytes of output before this segment, since the log began
    size: int = 0
    last_seq: int = 0
    last_time: float = 0.0
    content: int = 0
    is_dropped: bool = False
    #: (offset, seq, content): records from ``offset`` on have a seq above ``seq``.
    marks: list[tuple[int, int, int]] = field(default_factory=list)

    def read(self, offset: int, most: int) -> bytes:
        """Return bytes of the file, b"" if it is gone."""
        try:
            with self.path.open("rb", buffering=0) as file:
                return os.pread(file.fileno(), most, offset)
        except FileNotFoundError:
            return b""

    def grow(self, size: int, content: int, first: int, last: int, time: float) -> None:
        """Note records that were written at the end."""
        if not self.marks or self.size - self.marks[-1][0] >= MARK_EVERY:
            self.marks.append((self.size, first - 1, self.content))
        self.size += size
        self.content += content
        self.last_seq = last
        self.last_time = max(self.last_time, time)

    def blocks(self) -> list[tuple[int, int]]:
        """Return the file as (start, end) of runs of whole records, oldest first.

        There are none yet while its first record is being written.
        """
        starts = [mark[0] for mark in self.marks]
        return list(zip(starts, [*starts, self.size][1:], strict=True)) if starts else []


class LogSpool:
    """A log that one pump appends to and that many readers follow.

    Takes at most ``limit`` bytes of disk (and one batch): the oldest segment goes
    first, and a reader that missed bytes gets a "dropped" entry that counts them. Files
    are written in ``writer`` (one thread) and read in ``readers``.
    """

    def __init__(self, folder: Path, limit: int, writer: Executor, readers: Executor) -> None:
        self._folder = folder
        self._limit = limit
        self._segment_size = min(SEGMENT_SIZE, max(limit // 8, 4096))
        self._writer = writer
        self._readers = readers
        self._segments: list[Segment] = []
        self._gone: list[tuple[int, int]] = []  # (last seq, bytes so far) of each dropped segment
        self._lost = Batch()  # what could not be written, to be noted when a write works again
        self._total = 0
        self._content = 0
        self._changed = asyncio.Event()
        self._fd = -1
        self._claim = -1  # held while it is written to: no other server sweeps it
        self.last_seq = 0
        self.is_finished = False

    async def create(self) -> None:
        """Make an empty folder; an older log of the same sandbox is removed. Raises OSError."""

        def make() -> int:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return claim(self._folder)

        self._claim = await self._write(make)

    async def load(self) -> bool:
        """Take over the files of an earlier server, to read only; return whether there are any.

        What was cut off in mid-write at the end of a file is left out.
        """
        self._segments = await self.in_reader(_scan, self._folder)
        for segment in self._segments:
            segment.start = self._content
            self._content += segment.content
            self._total += segment.size
            self.last_seq = segment.last_seq
        self.is_finished = True
        return bool(self._segments)

    async def append(self, batch: Batch) -> None:
        """Write records; returns when they can be read.

        A disk that is full loses the batch, not the log: it is noted as dropped.
        """
        if not batch.data:
            return
        if self._lost.content:
            noted = Batch()
            now = int(time.time() * 1e6)
            noted.add_dropped(self._lost.first_seq, batch.first_seq - 1, now, self._lost.content)
            noted.data += batch.data
            noted.last_seq, noted.last_time = batch.last_seq, batch.last_time
            noted.content += batch.content
        else:
            noted = batch
        try:
            segment = await self._open_segment(noted)
            data, offset, fd = bytes(noted.data), segment.size, self._fd
            await self._write(lambda: _write_all(fd, data, offset))
        except OSError:
            self._lost.first_seq = self._lost.first_seq or batch.first_seq
            self._lost.content += batch.content
        else:
            self._lost = Batch()
            self._grow(segment, noted)
            await self._drop_oldest()
        self.last_seq = batch.last_seq
        self._notify()

    async def _open_segment(self, batch: Batch) -> Segment:
        if self._segments and self._fd >= 0:
            segment = self._segments[-1]
            if not segment.size or segment.size + len(batch.data) <= self._segment_size:
                return segment
        path = self._folder / f"{batch.first_seq:020}.log"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = await self._write(lambda: os.open(path, flags, 0o600))
        self._close_file()
        self._fd = fd
        segment = Segment(path, batch.first_seq, self._content)
        self._segments.append(segment)
        return segment

    def _grow(self, segment: Segment, batch: Batch) -> None:
        size = len(batch.data)
        segment.grow(size, batch.content, batch.first_seq, batch.last_seq, batch.last_time)
        self._total += len(batch.data)
        self._content += batch.content

    async def _drop_oldest(self) -> None:
        while self._total > self._limit and len(self._segments) > 1:
            segment = self._segments.pop(0)
            segment.is_dropped = True
            self._total -= segment.size
            self._gone.append((segment.last_seq, segment.start + segment.content))
            path = segment.path
            await self._write(lambda path=path: path.unlink(missing_ok=True))  # type: ignore[misc]

    def finish(self) -> None:
        """Say that no more comes: readers end when they have read all."""
        self.is_finished = True
        self._close_file()
        if self._claim >= 0:
            os.close(self._claim)
            self._claim = -1
        self._notify()

    async def remove(self) -> None:
        """End readers and delete the files."""
        self.finish()
        for segment in self._segments:
            segment.is_dropped = True
        self._segments.clear()
        await self._write(lambda: shutil.rmtree(self._folder, ignore_errors=True))

    async def wait_for(self, seq: int) -> None:
        """Wait until the record ``seq`` is here, or no more comes."""
        while self.last_seq < seq and not self.is_finished:
            await self._changed.wait()

    async def read(self, query: LogQuery) -> AsyncIterator[LogEntry]:
        """Yield what ``query`` asks for; with ``follow`` until the log is finished."""
        cut = await self._cut(query.tail) if query.tail is not None else None
        cursor = _Cursor(self, query, cut)
        while True:
            changed = self._changed
            missing = cursor.locate()
            if missing is not None:
                yield missing
            if query.follow and query.leap is not None and (missed := cursor.leap(query.leap)):
                yield missed
            entries = await cursor.next_block()
            for entry in entries:
                if entry.seq <= query.after or entry.time < (query.since or 0.0):
                    continue
                shown = entry if cut is None else cut.shown(entry)
                if shown is not None:
                    yield shown
            if not entries and not cursor.move_on():
                if not query.follow or self.is_finished:
                    return
                await changed.wait()

    async def _cut(self, lines: int) -> TailCut:
        cut = TailCut(max(lines, 0), self.last_seq)
        runs = [(s, block) for s in self._segments for block in s.blocks()]
        for segment, (start, end) in reversed(runs):
            if cut.is_done:
                break
            await self.in_reader(_feed_back, cut, segment, start, end)
        return cut

    async def in_reader(self, call: Callable[..., _T], *args: object) -> _T:
        """Run a blocking read in a reader's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, call, *args)

    async def _write(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._writer, call)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _close_file(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def segments(self) -> Sequence[Segment]:
        """The segments that are left, oldest first."""
        return self._segments

    @property
    def content(self) -> int:
        """The bytes of output since the log began."""
        return self._content

    def content_after(self, seq: int) -> int:
        """Return the bytes up to ``seq``, as far as known: 0, or the end of a dropped segment."""
        place = bisect_right(self._gone, (seq, 1 << 63))
        return self._gone[place - 1][1] if place else 0


class _Cursor:
    """Where a reader is: the last record it has, and the place in a file of the next."""

    def __init__(self, spool: LogSpool, query: LogQuery, cut: TailCut | None) -> None:
        self._spool = spool
        self._at = query.after  # records up to this one are behind the reader
        if cut is not None and cut.is_done:
            self._at = max(self._at, cut.oldest - 1)
        for segment in spool.segments:
            if segment.last_time < (query.since or 0.0):
                self._at = max(self._at, segment.last_seq)
        self._segment: Segment | None = None
        self._offset = 0
        self._seen = spool.content_after(self._at)  # bytes of output that are behind

    def locate(self) -> LogEntry | None:
        """Find the next record's segment; return what is missing before it, if anything."""
        if self._segment is not None and not self._segment.is_dropped:
            return None
        at = self._at
        segment = next((s for s in self._spool.segments if s.last_seq > at), None)
        self._segment, self._offset = segment, 0
        if segment is None:
            return None
        if segment.first_seq > at + 1:
            missing, self._seen = segment.start - self._seen, segment.start
            last = segment.first_seq - 1
            return LogEntry(last, segment.last_time, "dropped", b"", missing) if missing else None
        for offset, seq, content in segment.marks:
            if seq <= at:
                self._offset, self._seen = offset, segment.start + content
        return None

    def leap(self, most: int) -> LogEntry | None:
        """Move a reader that is more than ``most`` bytes behind to a quarter of that.

        Returns what it missed. A log that has ended is read whole: it runs away from nobody.
        """
        spool = self._spool
        if spool.is_finished or spool.content - self._seen <= most:
            return None
        goal = spool.content - most // 4
        for segment in reversed(spool.segments):
            for offset, seq, content in reversed(segment.marks):
                place = segment.start + content
                if self._seen < place <= goal:
                    missed, self._seen = place - self._seen, place
                    self._segment, self._offset, self._at = segment, offset, seq
                    return LogEntry(seq, segment.last_time, "dropped", b"", missed)
        return None

    async def next_block(self) -> list[LogEntry]:
        """Return the next records, [] if there are none now."""
        segment = self._segment
        if segment is None or self._offset >= segment.size:
            return []
        most = min(BLOCK_SIZE, segment.size - self._offset)
        entries, taken = parse(await self._spool.in_reader(segment.read, self._offset, most))
        content = sum([len(entry.data) + entry.dropped for entry in entries])
        if not taken and not segment.is_dropped:  # somebody deleted the file
            missing = segment.start + segment.content - self._seen
            taken, content = segment.size - self._offset, missing
            entries = [LogEntry(segment.last_seq, segment.last_time, "dropped", b"", missing)]
        self._offset += taken
        self._seen += content
        if entries:
            self._at = entries[-1].seq
        return entries

    def move_on(self) -> bool:
        """Leave a segment that has no more; return whether another try may find something."""
        segment = self._segment
        if segment is None:
            return False
        if segment.is_dropped or self._offset < segment.size:
            return True
        if segment is self._spool.segments[-1]:
            return False
        self._at, self._segment = max(self._at, segment.last_seq), None
        return True


def _scan(folder: Path) -> list[Segment]:
    """Return the segments of a folder, with the index rebuilt out of their records."""
    segments = []
    for path in sorted(folder.glob("*.log")):
        segment = Segment(path, 0, 0)
        while True:
            entries, taken = parse(segment.read(segment.size, BLOCK_SIZE))
            if not taken:
                break
            content = sum([len(entry.data) + entry.dropped for entry in entries])
            segment.first_seq = segment.first_seq or entries[0].seq
            latest = max(entry.time for entry in entries)
            segment.grow(taken, content, entries[0].seq, entries[-1].seq, latest)
        if segment.size:
            segments.append(segment)
    return segments


def _feed_back(cut: TailCut, segment: Segment, start: int, end: int) -> None:
    entries, _ = parse(segment.read(start, end - start))
    for entry in reversed(entries):
        cut.feed(entry)


def _write_all(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written
