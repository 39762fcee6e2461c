"""No container at all: the same program on this machine, to tell what the machine gives."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Sequence

from .. import programs
from . import Box, Subject, Unusable


class HostBox(Box):
    """A process."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process = process
        self._port = port

    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


class Host(Subject):
    """A port without a container."""

    name = "host"
    can = frozenset({"port"})

    def open(self) -> None:
        if shutil.which("perl") is None:
            raise Unusable("this machine has no perl")

    def start(self, command: Sequence[str], *, port: int | None = None) -> HostBox:
        assert command[-1] == str(programs.PORT)
        with socket.create_server(("127.0.0.1", 0)) as free:
            number = free.getsockname()[1]
        process = subprocess.Popen([*command[:-1], str(number)], stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", number), 1).close()
                break
            except OSError:
                time.sleep(0.01)
        return HostBox(process, number)
