"""testcontainers-python on the same Docker."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

from scripts.docker_daemon import Docker as Daemon

from .. import programs
from . import Box, Subject, Unusable
from .docker import IMAGE


class TestcontainersBox(Box):
    """A container."""

    __test__ = False

    def __init__(self, container: Any) -> None:
        self._container = container

    def exec(self, *command: str) -> None:
        code, output = self._container.exec(list(command))
        assert code == 0, output

    def follow(self) -> Iterator[bytes]:
        stream = self._container.get_wrapped_container().logs(stream=True, follow=True)
        try:
            yield from stream
        finally:
            stream.close()

    def address(self) -> tuple[str, int]:
        return "127.0.0.1", int(self._container.get_exposed_port(programs.PORT))

    def stop(self) -> None:
        self._container.stop()


class Testcontainers(Subject):
    """``DockerContainer`` without the reaper container, for which an image would be pulled."""

    __test__ = False
    name = "testcontainers"
    can = frozenset({"start", "exec", "follow"})

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._ours: list[TestcontainersBox] = []

    def open(self) -> None:
        if not self._daemon.running():
            raise Unusable("no Docker daemon answers")
        given = self._daemon.env
        os.environ |= {key: given[key] for key in ("DOCKER_HOST",) if key in given}
        os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
        try:
            self.start(programs.SLEEP).stop()
        except ImportError as error:
            raise Unusable("the package testcontainers is not installed") from error

    def close(self) -> None:
        for box in self._ours:
            with contextlib.suppress(Exception):  # most have been removed
                box.stop()

    def start(self, command: Sequence[str], *, port: int | None = None) -> TestcontainersBox:
        from testcontainers.core.container import DockerContainer

        container = DockerContainer(IMAGE).with_command(list(command))
        if port is not None:
            container.with_exposed_ports(port)
        box = TestcontainersBox(container.start())
        self._ours.append(box)
        return box
