"""This machine's end of a terminal: raw mode, its size, its keys; always put back in order."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

_MODES: Final = re.compile(rb"\x1b\[\?([0-9;]{1,40})([hl])")
_LONGEST: Final = 48  # bytes of what the pattern finds
_ON_BY_DEFAULT: Final = frozenset({b"7", b"25"})  # wrapping lines, a visible cursor
_PIECE: Final = 64 * 1024
_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """A signal that ends this process has come."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Keys:
    """What is typed, and the sequence that detaches: Enter, then ``~`` and ``.``.

    Only as it is typed: in what is pasted it is text. ``~~`` at a line's begin is one ``~``.
    """

    def __init__(self) -> None:
        self._line_begins = True
        self._held = False  # a ~ that may be the begin of the sequence

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """Return what goes to the shell, and whether to detach."""
        if self._held:
            self._held = False
            if data == b".":
                return b"", True
            if data == b"~":
                self._line_begins = False
                return b"~", False
            data = b"~" + data
        elif self._line_begins and data == b"~.":  # typed over a slow connection
            return b"", True
        elif self._line_begins and data == b"~":
            self._held = True
            return b"", False
        self._line_begins = data[-1:] in (b"\r", b"\n", b"\x03")
        return data, False


def size() -> tuple[int, int]:
    """Return rows and columns of this terminal; 24 and 80 where it does not say."""
    for stream in (sys.stdout, sys.stdin, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            columns, rows = os.get_terminal_size(stream.fileno())
            if rows and columns:
                return rows, columns
    return 24, 80


@contextlib.contextmanager
def raw_mode() -> Iterator[None]:
    """Hand every key on as it is typed; put the terminal back whatever happens."""
    descriptor = sys.stdin.fileno()
    modes = termios.tcgetattr(descriptor)
    before = {number: signal.signal(number, _end) for number in _ENDING}
    try:
        tty.setraw(descriptor, termios.TCSADRAIN)
        yield
    finally:
        with contextlib.suppress(termios.error, OSError):  # the terminal may be gone
            termios.tcsetattr(descriptor, termios.TCSADRAIN, modes)
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> None:
    raise Ended(number)


class Modes:
    """Which of the terminal's private modes the programs inside have changed."""

    def __init__(self) -> None:
        self._changed: set[bytes] = set()
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """Look at what is shown."""
        if b"\x1b" not in self._tail and b"\x1b" not in data:
            return
        text, begin = self._tail + data, 0
        for found in _MODES.finditer(text):
            begin = found.end()
            for number in found[1].split(b";")[:16]:
                if (found[2] == b"h") is (number in _ON_BY_DEFAULT):
                    self._changed.discard(number)
                elif len(self._changed) < 64:
                    self._changed.add(number)
        self._tail = text[begin:][-_LONGEST:]

    def undo(self) -> bytes:
        """Return what leaves these modes, for their programs go on without this terminal."""
        out = b"\x1b[0m"
        for number in sorted(self._changed, key=int):  # the alternate screen last but one
            out += b"\x1b[?" + number + (b"h" if number in _ON_BY_DEFAULT else b"l")
        self._changed.clear()
        return out


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, also to a terminal that its owner made non-blocking."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            select.select([], [descriptor], [])


class Watch:
    """Waits for keys and for changes of the size, in a thread of its own.

    ``typed`` gets the bytes, b"" at the end; ``resized`` is called in that same thread.
    """

    def __init__(self, typed: Callable[[bytes], None], resized: Callable[[], None]) -> None:
        self._typed = typed
        self._resized = resized
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._before = signal.getsignal(signal.SIGWINCH)

    def __enter__(self) -> Watch:
        signal.signal(signal.SIGWINCH, lambda *_: self._wake(b"w"))
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGWINCH, self._before or signal.SIG_DFL)
        self._wake(b"e")

    def _wake(self, what: bytes) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._write, what)

    def run(self) -> None:
        """Hand on what comes, until the end of the input or of the ``with``."""
        descriptor = sys.stdin.fileno()
        while True:
            ready = select.select([descriptor, self._read], [], [])[0]
            if self._read in ready:
                told = os.read(self._read, 1024)
                if b"e" in told:
                    return
                self._resized()
            if descriptor in ready:
                try:
                    data = os.read(descriptor, _PIECE)
                except BlockingIOError:
                    continue
                except OSError:
                    data = b""  # hung up
                self._typed(data)
                if not data:
                    return
