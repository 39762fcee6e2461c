"""Hubs on both links, and scripted daemons that dial them."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandboxd.binary import binary
from orkee_jupyter.sandboxd.connections import Timing
from orkee_jupyter.sandboxd.daemon import Daemon
from orkee_jupyter.sandboxd.hub import Hub

from .peer import ScriptedDaemon

MakeHub = Callable[..., Hub]
Connect = Callable[..., Awaitable[ScriptedDaemon]]


async def loopback_listener() -> socket.socket:
    """Stand in for the engine: a TCP listener, here on this host's loopback."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener


def open_descriptors() -> int:
    """Return how many descriptors this process has."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture(params=["forwarded", "direct"])
def link(request: pytest.FixtureRequest) -> str:
    """Return each of the two links in turn."""
    return str(request.param)


@pytest_asyncio.fixture
async def make_hub(tmp_path: Path) -> AsyncIterator[MakeHub]:
    """Return a maker of hubs; they are shut down after the test, which must leave no task."""
    hubs: list[Hub] = []
    before = asyncio.all_tasks()

    def make(link: str = "forwarded", *, log_limit: int = 1 << 26, **timing: float) -> Hub:
        hub = Hub(
            tmp_path / "run",
            tmp_path / "log",
            loopback_listener,
            link,
            log_limit,
            timing=Timing(**timing),  # type: ignore[arg-type]
        )
        hubs.append(hub)
        return hub

    yield make
    for hub in hubs:
        await hub.shutdown()
    left = {task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()}
    assert not left, f"tasks left: {left}"


@pytest_asyncio.fixture
async def hub(make_hub: MakeHub, link: str) -> Hub:
    """Return a hub on each link."""
    return make_hub(link)


@pytest.fixture
def sandbox_id() -> str:
    """Return a new id."""
    return secrets.token_hex(16)


@pytest_asyncio.fixture
async def connect() -> AsyncIterator[Connect]:
    """Return what dials a place as a scripted daemon; all are closed after the test."""
    daemons: list[ScriptedDaemon] = []

    async def dial(hub: Hub, sandbox_id: str) -> ScriptedDaemon:
        daemons.append(await ScriptedDaemon.connect(await hub.open(sandbox_id)))
        return daemons[-1]

    yield dial
    for daemon in daemons:
        await daemon.close()


Run = Callable[..., Awaitable[Daemon]]


@pytest_asyncio.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    """Return what opens a place and runs the real sandboxd, here on the host, against it."""
    try:
        program = binary()
    except OrkeeError:
        pytest.skip("sandboxd is not built")
    processes: list[asyncio.subprocess.Process] = []

    async def start(hub: Hub, sandbox_id: str) -> Daemon:
        endpoint = await hub.open(sandbox_id)
        where = (
            ("-socket", endpoint.socket_path)
            if endpoint.socket_path
            else ("-address", endpoint.address)
        )
        environment = {"PATH": os.environ["PATH"], "ORKEE_TOKEN": endpoint.token}
        process = await asyncio.create_subprocess_exec(
            program, *map(str, where), env=environment, cwd=tmp_path, start_new_session=True
        )
        processes.append(process)
        return await hub.connected(sandbox_id, 10)

    yield start
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.wait()
