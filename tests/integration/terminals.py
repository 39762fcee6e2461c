"""A terminal of this machine with a program in it, as a person sees it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path

PATIENCE = 30.0


class Terminal:
    """Runs a command in a terminal of its own; every wait has a deadline."""

    def __init__(
        self, *command: str, env: Mapping[str, str], cwd: Path, rows: int = 24, columns: int = 80
    ) -> None:
        self.seen = b""
        self._ours, theirs = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(theirs)
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**env, "TERM": "xterm-256color"},
            cwd=cwd,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self._theirs = theirs  # held, to look at its modes afterwards

    @property
    def modes(self) -> list[object]:
        """The modes that the terminal is in."""
        return termios.tcgetattr(self._theirs)

    def resize(self, rows: int, columns: int) -> None:
        """Make the window another size."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str | bytes) -> None:
        """Type, or paste; what is shown meanwhile is read."""
        data = memoryview(text.encode() if isinstance(text, str) else text)
        deadline = time.monotonic() + PATIENCE
        while data:
            readable, writable, _ = select.select([self._ours], [self._ours], [], 1.0)
            assert time.monotonic() < deadline, "nobody takes what is typed"
            if readable:
                self._read()
            if writable:
                data = data[os.write(self._ours, data[:1024]) :]

    def _read(self) -> bool:
        with contextlib.suppress(OSError):
            if data := os.read(self._ours, 65536):
                self.seen += data
                return True
        return False

    def look(self) -> bytes:
        """Return what was shown and not waited for yet."""
        while select.select([self._ours], [], [], 0)[0] and self._read():
            pass
        return self.seen

    def waits_for_input(self) -> bool:
        """Return whether typed bytes are there that the program has not read."""
        size = fcntl.ioctl(self._theirs, termios.FIONREAD, b"\0\0\0\0")
        return bool(struct.unpack("i", size)[0])

    def until(self, pattern: str, patience: float = PATIENCE) -> re.Match[bytes]:
        """Return what a pattern finds in what is shown from here on, and forget what was shown."""
        deadline = time.monotonic() + patience
        while (found := re.search(pattern.encode(), self.seen)) is None:
            left = deadline - time.monotonic()
            assert left > 0, f"{pattern!r} was not shown but {self.seen[-2000:]!r}"
            if select.select([self._ours], [], [], left)[0]:
                self._read()
        self.seen = self.seen[found.end() :]
        return found

    def end(self) -> int:
        """Return the exit code of the command once it has ended."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it goes on, and shows {self.seen[-2000:]!r}"
            if select.select([self._ours], [], [], 0.02)[0]:
                self._read()
        while select.select([self._ours], [], [], 0.05)[0] and self._read():
            pass
        return self.process.returncode

    def close(self) -> None:
        """End the command, as the closing of a window does."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE)
        os.close(self._ours)
        os.close(self._theirs)


ORKEE = (sys.executable, "-m", "orkee_jupyter.cli")
