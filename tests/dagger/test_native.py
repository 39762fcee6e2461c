"""The native engine, really: started, asked, stopped and killed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from orkee_jupyter import paths
from orkee_jupyter.dagger.native import NativeEngine

from .native_case import (
    answer,
    command_lines,
    descendants,
    end,
    host_traces,
    make_rootfs,
    owner,
    run,
    sleepers,
    until,
)

INSTALLED = NativeEngine().installed()
pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.engine,
    pytest.mark.skipif(not INSTALLED, reason="the native engine is not built"),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: a socket's path takes at most 107 bytes.
    path = Path(tempfile.mkdtemp(prefix="orkee-native-"))
    yield path
    shutil.rmtree(path)


def make(folder: Path, idle_timeout: float = 0) -> NativeEngine:
    (folder / "engine").mkdir(exist_ok=True)
    binaries = folder / "engine" / "bin"
    if not binaries.is_symlink():
        binaries.symlink_to(paths.engine_dir() / "bin")
    return NativeEngine(
        engine_dir=folder / "engine",
        registry_dir=folder / "registry",
        socket_dir=folder / "run",
        idle_timeout=idle_timeout,
    )


@pytest_asyncio.fixture
async def engine(folder: Path) -> AsyncIterator[NativeEngine]:
    native = make(folder)
    await native.start()
    yield native
    await native.purge(images=True)


@pytest.fixture(scope="module")
def rootfs() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="orkee-rootfs-") as path:
        yield make_rootfs(Path(path))


async def test_the_status_of_a_ready_engine_names_its_parts(engine: NativeEngine) -> None:
    status = await engine.status()
    assert status["ready"] is True
    assert status["version"] == paths.ENGINE_VERSION
    assert status["gateway"] == "10.87.0.1"
    assert command_lines([status["engine_pid"]])[0].startswith("dagger-engine ")
    assert status["first_uid"] not in (0, os.getuid())


async def test_callers_that_start_at_once_end_with_one_engine(folder: Path) -> None:
    engines = [make(folder) for _ in range(4)]
    try:
        await asyncio.gather(*(each.start() for each in engines))
        assert len({(await each.status())["pid"] for each in engines}) == 1
    finally:
        await engines[0].purge(images=True)


async def test_stop_may_be_called_twice_and_leaves_no_process(engine: NativeEngine) -> None:
    pids = descendants((await engine.status())["pid"])
    await engine.stop()
    assert command_lines(pids) == []
    await engine.stop()
    assert (await engine.status())["state"] == "stopped"
    assert not (engine.socket_dir / "engine.sock").exists()


async def test_root_in_a_container_is_nobody_on_the_host(
    engine: NativeEngine, rootfs: Path
) -> None:
    query = run(engine, rootfs, ["/bin/sleep", "100"])
    pids: list[int] = []
    supervisor = (await engine.status())["pid"]
    try:
        until(lambda: pids.extend(sleepers(supervisor)) or pids, 30)
        assert owner(pids[0]) == (await engine.status())["first_uid"]
    finally:
        end(query)


async def test_a_container_dials_the_listener(engine: NativeEngine, rootfs: Path) -> None:
    listening, address = await engine.listener()
    host, port = address.split(":")
    script = f"exec 3<>/dev/tcp/{host}/{port}; echo hello >&3; cat <&3"
    query = run(engine, rootfs, ["/bin/bash", "-c", script])
    loop = asyncio.get_running_loop()
    with listening:
        connection, _ = await asyncio.wait_for(loop.sock_accept(listening), 30)
    with connection:
        assert await asyncio.wait_for(loop.sock_recv(connection, 100), 10) == b"hello\n"
        await loop.sock_sendall(connection, b"welcome\n")
    assert "welcome" in str(await asyncio.to_thread(answer, query))


async def test_a_container_does_not_reach_the_host(engine: NativeEngine, rootfs: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; finds out the host's own address
        own = probe.getsockname()[0]
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
        script = f"for h in {own} 10.0.2.2; do exec 3<>/dev/tcp/$h/{port} && echo REACHED; done"
        query = run(engine, rootfs, ["/bin/bash", "-c", f"({script}); true"])
        assert "REACHED" not in str(await asyncio.to_thread(answer, query))


@pytest.mark.parametrize("victim", ["pid", "init_pid", "engine_pid"])
async def test_a_kill_leaves_nothing_on_the_host(
    engine: NativeEngine, rootfs: Path, victim: str
) -> None:
    before = host_traces()
    query = run(engine, rootfs, ["/bin/sleep", "100"])
    status = await engine.status()
    until(lambda: sleepers(status["pid"]), 30)
    pids = descendants(status["pid"])
    assert len(pids) > 5
    os.kill(status[victim], signal.SIGKILL)
    until(lambda: command_lines(pids) == [], 20)
    assert host_traces() == before
    end(query)
    await engine.start()
    assert (await engine.status())["ready"] is True


async def test_without_a_lease_the_engine_ends_by_itself(folder: Path) -> None:
    engine = make(folder, idle_timeout=1)
    await engine.start()
    pid = (await engine.status())["pid"]
    await asyncio.to_thread(until, lambda: command_lines([pid]) == [], 20)
    assert (await engine.status())["state"] == "stopped"
    await engine.purge(images=True)


async def test_a_running_container_keeps_the_engine(folder: Path, rootfs: Path) -> None:
    engine = make(folder, idle_timeout=2)
    await engine.start()
    async with engine.lease():  # until there is a container
        pid = (await engine.status())["pid"]
        query = run(engine, rootfs, ["/bin/sleep", "100"])
        await asyncio.to_thread(until, lambda: sleepers(pid), 30)
    with pytest.raises(AssertionError):
        await asyncio.to_thread(until, lambda: command_lines([pid]) == [], 4)
    end(query)
    await asyncio.to_thread(until, lambda: command_lines([pid]) == [], 20)
    await engine.purge(images=True)


async def test_a_lease_keeps_the_engine(folder: Path) -> None:
    engine = make(folder, idle_timeout=3)
    await engine.start()
    async with engine.lease():
        pid = (await engine.status())["pid"]
        with pytest.raises(AssertionError):
            await asyncio.to_thread(until, lambda: command_lines([pid]) == [], 5)
        assert (await engine.status())["leases"] == 1
    await asyncio.to_thread(until, lambda: command_lines([pid]) == [], 20)
    await engine.purge(images=True)


async def test_an_engine_whose_sockets_were_removed_makes_way(folder: Path) -> None:
    lost = make(folder)
    await lost.start()
    pid = int((await lost.status())["pid"])
    shutil.rmtree(folder / "run")
    again = make(folder)
    await again.start()
    assert (await again.status())["pid"] != pid
    assert not command_lines([pid])
    shutil.rmtree(folder / "run")
    await again.stop()
    assert again._holder() is None
    await again.purge(images=True)
