"""The Dagger SDK alone, on the same engine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import dagger
import psutil

from tests.integration.world import World

from .. import programs
from . import Box, Subject, Unusable

T = TypeVar("T")
_LINK = "/run/link.sock"


class SdkBox(Box):
    """A service."""

    def __init__(self, subject: Sdk, service: dagger.Service) -> None:
        self._subject = subject
        self._service = service

    def stop(self) -> None:
        self._subject.run(self._service.stop(kill=True))


class Sdk(Subject):
    """Services, ``with_exec``, a tunnel to a service, a forwarded socket."""

    name = "dagger sdk"
    share = 0.125
    can = frozenset({"start", "first_byte", "with_exec", "link"})

    def __init__(self, world: World) -> None:
        self._world = world
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._before: set[int] = set()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what work on the SDK's loop returns."""
        return self._runner.run(work)

    def open(self) -> None:
        engine = self._world.engine()
        os.environ |= {
            "_EXPERIMENTAL_DAGGER_RUNNER_HOST": engine.runner_host,
            "_EXPERIMENTAL_DAGGER_CLI_BIN": str(engine.cli),
            "DO_NOT_TRACK": "1",
        }
        self._before = _children()
        try:
            self.run(self._connect(engine))
        except (dagger.DaggerError, dagger.ClientError, OSError) as error:
            raise Unusable(str(error)) from error

    async def _connect(self, engine: Any) -> None:
        await engine.start()
        await self._stack.enter_async_context(engine.lease())
        log = self._stack.enter_context((self._world.folder / "sdk.log").open("w"))
        config = dagger.Config(log_output=log)
        self._client = await self._stack.enter_async_context(dagger.Connection(config))
        await self._fresh().with_exec(["true"]).sync()  # unpacks the image

    def close(self) -> None:
        self.run(self._stack.aclose())
        self._runner.close()

    def _fresh(self) -> dagger.Container:
        """Return a container whose definition nothing before had: nothing is cached."""
        base = self._client.container().from_(programs.IMAGE)
        fresh: dagger.Container = base.with_env_variable("FRESH", secrets.token_hex(8))
        return fresh

    def start(self, command: Sequence[str], *, port: int | None = None) -> SdkBox:
        container = self._fresh()
        if port is not None:
            container = container.with_exposed_port(port)
        return SdkBox(self, self.run(container.as_service(args=list(command)).start()))

    def first_byte(self) -> Box:
        """Start a server and a tunnel to it, and return it when it has said something."""
        return self.run(self._first_byte())

    async def _first_byte(self) -> Box:
        container = self._fresh().with_exposed_port(programs.PORT)
        service = await container.as_service(args=list(programs.SERVER)).start()
        tunnel = await self._client.host().tunnel(service).start()
        host, _, port = (await tunnel.endpoint()).partition(":")
        with socket.create_connection((host, int(port)), 30) as peer:
            assert peer.recv(1) == b"+"
        await tunnel.stop(kill=True)
        return SdkBox(self, service)

    def with_exec(self, *command: str) -> None:
        """Run a command in a container of its own: Dagger's way to run one."""
        self.run(self._fresh().with_exec(list(command)).sync())

    def link(self, size: int) -> float:
        """Return the seconds that ``size`` bytes take over a forwarded unix socket."""
        path = self._world.folder / f"{secrets.token_hex(4)}.sock"
        try:
            return self.run(self._link(path, size))
        finally:
            path.unlink(missing_ok=True)

    async def _link(self, path: Path, size: int) -> float:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(1)
            receiving = asyncio.create_task(asyncio.to_thread(_drain, listener, size))
            forwarded = self._client.host().unix_socket(str(path))
            sender = self._fresh().with_unix_socket(_LINK, forwarded)
            await sender.with_exec([*programs.SENDER, _LINK, str(size)]).sync()
            return await receiving

    def processes(self) -> dict[str, list[int]]:
        return {"Dagger's session of the SDK": sorted(_children() - self._before)}


def _children() -> set[int]:
    found = set()
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if child.name() == "dagger":
                found.add(child.pid)
    return found


def _drain(listener: socket.socket, size: int) -> float:
    listener.settimeout(60)
    peer, _ = listener.accept()
    with peer:
        peer.settimeout(60)
        buffer = bytearray(1 << 20)
        left = size - peer.recv_into(buffer)
        begun = time.perf_counter()
        while left > 0:
            got = peer.recv_into(buffer)
            assert got, "the link broke"
            left -= got
        return time.perf_counter() - begun
