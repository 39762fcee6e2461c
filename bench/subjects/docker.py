"""Docker's own command line."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from scripts import docker_images
from scripts.docker_daemon import Docker as Daemon
from scripts.docker_daemon import DockerError

from .. import programs
from . import Box, Subject, Unusable

IMAGE = docker_images.NAMES[programs.IMAGE]


class DockerBox(Box):
    """A container."""

    folder = "/"

    def __init__(self, docker: Daemon, name: str) -> None:
        self._docker = docker
        self._name = name

    def exec(self, *command: str) -> None:
        self._docker("exec", self._name, *command)

    def follow(self) -> Iterator[bytes]:
        process = subprocess.Popen(
            ["docker", "logs", "-f", self._name],
            env=self._docker.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert process.stdout is not None
        try:
            while data := process.stdout.read(65_536):
                yield data
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def address(self) -> tuple[str, int]:
        host, _, port = self._docker("port", self._name, str(programs.PORT)).stdout.partition(":")
        return host, int(port)

    def push(self, source: Path, name: str) -> None:
        self._docker("cp", str(source), f"{self._name}:/{name}", timeout=300)

    def pull(self, name: str, target: Path) -> None:
        self._docker("cp", f"{self._name}:/{name}", str(target), timeout=300)

    def stop(self) -> None:
        self._docker("rm", "--force", "--volumes", self._name)


class Docker(Subject):
    """``docker run -d``, ``exec``, ``cp``, ``logs -f`` and a published port."""

    name = "docker"
    can = frozenset({"start", "exec", "follow", "port", "files", "many"})

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self._ours: list[str] = []

    def open(self) -> None:
        if not self.daemon.running():
            raise Unusable("no Docker daemon answers")
        try:
            docker_images.put_in(self.daemon)
            self.start(programs.SLEEP).stop()
        except DockerError as error:
            raise Unusable(str(error)) from error

    def close(self) -> None:
        if self._ours:
            with contextlib.suppress(DockerError):
                self.daemon("rm", "--force", "--volumes", *self._ours, check=False)

    def start(self, command: Sequence[str], *, port: int | None = None) -> DockerBox:
        name = f"bench-{secrets.token_hex(4)}"
        publish = () if port is None else ("--publish", f"127.0.0.1::{port}")
        self._ours.append(name)
        self.daemon("run", "--detach", "--name", name, *publish, IMAGE, *command)
        return DockerBox(self.daemon, name)

    def processes(self) -> dict[str, list[int]]:
        named = ("dockerd", "containerd", "containerd-shim", "containerd-shim-runc-v2")
        found = [
            process.pid for process in psutil.process_iter(["name"]) if process.name() in named
        ]
        return {"dockerd, containerd and its shims": found}
