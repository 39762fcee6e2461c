"""A reader of tar archives that come from a sandbox, and so are taken for hostile.

It knows what our daemon writes (ustar headers, extended by PAX) and refuses the rest. Fed
with bytes as they come, it keeps no more than one header.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Final, Protocol

from orkee_jupyter.sandbox.errors import OrkeeError

BLOCK: Final = 512
MAX_EXTENDED: Final = 64 * 1024  # bytes of one extended header
_OCTAL: Final = re.compile(rb" *([0-7]{1,12})[ \0]*")
_RECORD: Final = re.compile(rb"([1-9][0-9]{0,5}) ([^=\n]{1,200})=")
_DECIMAL: Final = re.compile(r"(-?[0-9]{1,12})(?:\.([0-9]{1,20}))?")
_SIZE: Final = re.compile(r"[0-9]{1,19}")
_EXTENDED, _GLOBAL = b"x", b"g"


@dataclass(frozen=True, slots=True)
class Header:
    """One member as its header tells it; nothing of it is checked but its form."""

    name: str
    kind: bytes  # tar's type flag: b"0" a file, b"5" a folder, b"2" a link
    size: int
    mode: int
    mtime_ns: int
    link: str


class Sink(Protocol):
    """What takes the members of an archive."""

    def begin(self, header: Header) -> None:
        """Take the next member, whose bytes come after it."""

    def content(self, data: memoryview) -> None:
        """Take bytes of the member that was begun."""

    def end(self) -> None:
        """Take note that the member is complete."""


class TarReader:
    """Cuts bytes into members for a sink. Raises ``invalid_archive``."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._partial = bytearray()  # of a header or an extended header
        self._extended: dict[str, str] = {}
        self._kind = b""  # of the member whose bytes come
        self._left = 0  # of its bytes
        self._padding = 0  # behind them
        self._blank = 0  # empty blocks in a row
        self.is_complete = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        view = memoryview(data)
        while view and not self.is_complete:
            if self._left:
                view = self._take_content(view)
            elif self._padding:
                skipped = min(self._padding, len(view))
                self._padding -= skipped
                view = view[skipped:]
            else:
                view = self._take_header(view)

    def finish(self) -> None:
        """Say that no more comes. Raises ``invalid_archive`` if the archive is cut off."""
        if not self.is_complete:
            raise damaged("it ends too early")

    def _take_content(self, view: memoryview) -> memoryview:
        piece, rest = view[: self._left], view[self._left :]
        self._left -= len(piece)
        if self._kind in (_EXTENDED, _GLOBAL):
            self._partial += piece
        else:
            self._sink.content(piece)
        if not self._left:
            self._end_member()
        return rest

    def _end_member(self) -> None:
        if self._kind == _EXTENDED:
            self._extended = _records(bytes(self._partial))
        if self._kind in (_EXTENDED, _GLOBAL):
            self._partial.clear()
        else:
            self._sink.end()

    def _take_header(self, view: memoryview) -> memoryview:
        wanted = BLOCK - len(self._partial)
        self._partial += view[:wanted]
        if len(self._partial) == BLOCK:
            block = bytes(self._partial)
            self._partial.clear()
            self._take_block(block)
        return view[wanted:]

    def _take_block(self, block: bytes) -> None:
        if not any(block):
            self._blank += 1
            self.is_complete = self._blank == 2
            return
        if self._blank:
            raise damaged("an empty block stands inside it")
        kind = block[156:157]
        size = _octal(block[124:136], "size")
        if kind in (_EXTENDED, _GLOBAL):
            _check_sum(block)
            if not 0 < size <= MAX_EXTENDED or (self._extended and kind == _EXTENDED):
                raise damaged("an extended header is not in order")
        else:
            header = self._header(block, kind, size)
            size = header.size
            self._sink.begin(header)
        self._kind, self._left, self._padding = kind, size, -size % BLOCK
        if not size:
            self._end_member()

    def _header(self, block: bytes, kind: bytes, size: int) -> Header:
        _check_sum(block)
        extended, self._extended = self._extended, {}
        if "size" in extended:
            if not _SIZE.fullmatch(extended["size"]):
                raise damaged("a size is no number")
            size = int(extended["size"])
        if kind not in (b"0", b"\0") and size:
            raise damaged("a member that is no file has bytes")
        name, prefix = _text(block[:100]), _text(block[345:500])
        return Header(
            name=extended.get("path", f"{prefix}/{name}" if prefix else name),
            kind=b"0" if kind == b"\0" else kind,
            size=size,
            mode=_octal(block[100:108], "mode"),
            mtime_ns=_time(extended.get("mtime"), block),
            link=extended.get("linkpath", _text(block[157:257])),
        )


def _octal(field: bytes, what: str) -> int:
    match = _OCTAL.fullmatch(field)
    if match is None:
        raise damaged(f"a {what} is no number")
    return int(match[1], 8)


def _text(field: bytes) -> str:
    return os.fsdecode(field.partition(b"\0")[0])


def _time(extended: str | None, block: bytes) -> int:
    if extended is None:
        return _octal(block[136:148], "time") * 1_000_000_000
    match = _DECIMAL.fullmatch(extended)
    if match is None:
        raise damaged("a time is no number")
    return int(match[1]) * 1_000_000_000 + int((match[2] or "").ljust(9, "0")[:9])


def _check_sum(block: bytes) -> None:
    if block[257:262] != b"ustar":
        raise damaged("a header is of another form")
    told = _octal(block[148:156], "checksum")
    if told != sum(block) - sum(block[148:156]) + 8 * 32:
        raise damaged("a header's checksum is wrong")


def _records(data: bytes) -> dict[str, str]:
    """Return the records of an extended header: ``LENGTH KEY=VALUE`` and a newline, each."""
    records: dict[str, str] = {}
    position = 0
    while position < len(data):
        match = _RECORD.match(data, position)
        end = position + int(match[1]) if match else 0
        if match is None or not match.end() < end <= len(data) or data[end - 1] != 10:
            raise damaged("an extended header is not in order")
        key = os.fsdecode(match[2])
        if key.startswith("GNU.sparse"):
            raise damaged("it holds a sparse file")
        records[key] = os.fsdecode(data[match.end() : end - 1])
        position = end
    return records


def damaged(why: str) -> OrkeeError:
    """Return the error for an archive that is not what our daemon writes."""
    return OrkeeError(
        "invalid_archive",
        f"The archive from the sandbox cannot be unpacked: {why}.",
        "Nothing outside the folder was written; do not trust this sandbox.",
    )
