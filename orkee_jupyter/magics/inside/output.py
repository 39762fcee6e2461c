"""What the code of the built-in interpreter writes, whatever in it writes there."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import io
import os
import select
import struct
import sys
import termios
import threading
from typing import Dict, List  # noqa: UP035

from .wire import Wire

_PIECE = 65536


class Output:
    """What is written to descriptors 1 and 2, by whatever writes there, as messages."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._lock = threading.Lock()
        self._names: Dict[int, str] = {}  # noqa: UP006
        self.cell = 0
        for number, name in ((1, "stdout"), (2, "stderr")):
            read, write = os.pipe()
            os.dup2(write, number)
            os.close(write)
            self._names[read] = name
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123
        sys.stdout = io.TextIOWrapper(
            io.FileIO(1, "w", closefd=False), "utf-8", "replace", write_through=True
        )
        sys.stderr = io.TextIOWrapper(
            io.FileIO(2, "w", closefd=False), "utf-8", "backslashreplace", write_through=True
        )
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            ready = select.select(list(self._names), [], [])[0]
            self._take(ready)

    def _take(self, ready: List[int]) -> None:  # noqa: UP006
        # Read and told under the lock: who holds it and finds the pipes empty knows that
        # all has been told.
        with self._lock:
            for file in ready:
                if _waiting(file):
                    data = base64.b64encode(os.read(file, _PIECE)).decode()
                    self._wire.tell(
                        type="stream", cell=self.cell, name=self._names[file], data=data
                    )

    def drain(self) -> None:
        """Return when all that was written so far has been told."""
        for file in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # the code may have put anything there
                file.flush()
        while any(_waiting(file) for file in self._names):
            self._take(list(self._names))
        with self._lock:
            pass  # what was being told is told


def _waiting(file: int) -> int:
    size = fcntl.ioctl(file, termios.FIONREAD, b"\0\0\0\0")
    return int(struct.unpack("i", size)[0])
