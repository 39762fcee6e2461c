"""Output as text and lines, and what can be fed to a command as its stdin."""

from __future__ import annotations

import codecs
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import IO, Any

#: What a command's stdin can come from: bytes or text, a file, or pieces of either.
Source = bytes | str | IO[bytes] | Iterable[bytes | str] | AsyncIterable[bytes | str]
PIECE = 64 * 1024  # bytes read from a file at once


def as_bytes(data: bytes | str) -> bytes:
    """Return text as UTF-8, bytes as they are."""
    return data.encode() if isinstance(data, str) else data


def pieces(source: Any) -> Iterator[bytes]:
    """Yield the pieces of a source of stdin."""
    if isinstance(source, bytes | bytearray | memoryview | str):
        yield as_bytes(source if isinstance(source, str) else bytes(source))
    elif hasattr(source, "read"):
        read = getattr(source, "read1", source.read)  # what there is, not a whole piece
        while data := read(PIECE):
            yield as_bytes(data)
    else:
        for data in source:
            yield as_bytes(data)


async def async_pieces(source: Any) -> AsyncIterator[bytes]:
    """Yield the pieces of a source of stdin; files are read in a thread."""
    import asyncio

    if hasattr(source, "__aiter__"):
        async for data in source:
            yield as_bytes(data)
        return
    if not hasattr(source, "read"):
        for data in pieces(source):
            yield data
        return
    found = pieces(source)
    while (data := await asyncio.to_thread(next, found, None)) is not None:
        yield data


class TextPieces:
    """Makes text of bytes; stdout and stderr apart, so that no character is torn."""

    def __init__(self) -> None:
        self._decoders: dict[str, codecs.IncrementalDecoder] = {}

    def feed(self, stream: str, data: bytes) -> str:
        """Return the text that the bytes complete; what is not UTF-8 becomes U+FFFD."""
        if stream not in self._decoders:
            self._decoders[stream] = codecs.getincrementaldecoder("utf-8")("replace")
        return self._decoders[stream].decode(data)

    def finish(self) -> tuple[str, str] | None:
        """Return what an incomplete character stands for, once for each stream, then None."""
        while self._decoders:
            stream, decoder = self._decoders.popitem()
            if text := decoder.decode(b"", final=True):
                return stream, text
        return None


class LineCaller:
    """Calls ``(stream, line)`` for each line, without its newline, of stdout and stderr apart."""

    def __init__(self, call: Callable[[str, str], object]) -> None:
        self._call = call
        self._texts = TextPieces()
        self._partial: dict[str, list[str]] = {}

    def feed(self, stream: str, data: bytes) -> None:
        """Call for each line that the bytes complete."""
        first, *rest = self._texts.feed(stream, data).split("\n")
        partial = self._partial.setdefault(stream, [])
        partial.append(first)
        if rest:
            self._partial[stream] = [rest[-1]]
            for line in ["".join(partial), *rest[:-1]]:
                self._call(stream, line)

    def finish(self) -> None:
        """Call for what no newline ended."""
        while (left := self._texts.finish()) is not None:
            self._partial.setdefault(left[0], []).append(left[1])
        partial, self._partial = self._partial, {}
        for stream, parts in partial.items():
            if line := "".join(parts):
                self._call(stream, line)
