"""Places: what is made, who may reach it, and that nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import secrets
import socket
import stat
from pathlib import Path

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import ExecRequest, LogQuery
from orkee_jupyter.sandboxd import frames
from orkee_jupyter.sandboxd.binary import binary
from orkee_jupyter.sandboxd.hub import Hub

from .conftest import Connect, MakeHub, Run, open_descriptors
from .peer import PATIENCE

pytestmark = pytest.mark.asyncio


def _mode(path: str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


async def test_a_place_has_a_secret_token_and_a_private_socket(
    make_hub: MakeHub, sandbox_id: str
) -> None:
    endpoint = await make_hub("forwarded").open(sandbox_id)
    assert (endpoint.link, len(endpoint.token), endpoint.address) == ("forwarded", 64, None)
    path = str(endpoint.socket_path)
    assert len(path.encode()) <= 107
    assert _mode(path) == 0o600
    assert _mode(path.rpartition("/")[0]) == 0o700


async def test_a_token_is_in_no_repr(hub: Hub, sandbox_id: str) -> None:
    endpoint = await hub.open(sandbox_id)
    assert endpoint.token not in repr(endpoint)


async def test_sockets_of_killed_servers_are_swept_and_live_ones_are_not(
    make_hub: MakeHub, sandbox_id: str, tmp_path: Path
) -> None:
    live = await make_hub("forwarded").open(sandbox_id)
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "run" / "s" / "dead.sock"))
    dead.close()
    other = await make_hub("forwarded").open(secrets.token_hex(16))
    there = {str(path) for path in Path(tmp_path / "run" / "s").iterdir()}  # noqa: ASYNC240
    assert there == {live.socket_path, other.socket_path}


@pytest.mark.parametrize("turns", range(5))
async def test_a_connection_in_the_midst_of_a_close_leaves_nothing(
    make_hub: MakeHub, sandbox_id: str, turns: int
) -> None:
    hub = make_hub("forwarded")
    endpoint = await hub.open(sandbox_id)
    with socket.socket(socket.AF_UNIX) as guest:
        guest.connect(str(endpoint.socket_path))
        for _ in range(turns):  # of the loop: accepted, made or neither
            await asyncio.sleep(0)
        await hub.close(sandbox_id)
        guest.setblocking(False)
        with contextlib.suppress(ConnectionError):
            ended = asyncio.get_running_loop().sock_recv(guest, 1)
            assert await asyncio.wait_for(ended, PATIENCE) == b""
        gc.collect()  # what was left to it would complain


async def test_a_log_outlives_its_server(
    make_hub: MakeHub, sandbox_id: str, connect: Connect
) -> None:
    hub = make_hub()
    peer = await connect(hub, sandbox_id)
    peer.log.log(1, b"kept\n")
    assert (await anext(hub.logs(sandbox_id, LogQuery(follow=True)))).data == b"kept\n"
    await hub.shutdown()
    later = make_hub()
    assert [entry.data async for entry in later.logs(sandbox_id, LogQuery())] == [b"kept\n"]
    await later.forget(sandbox_id)
    assert [entry async for entry in make_hub().logs(sandbox_id, LogQuery())] == []


async def test_auto_is_direct_where_there_is_a_listener(
    make_hub: MakeHub, sandbox_id: str, tmp_path: Path
) -> None:
    assert (await make_hub("auto").open(sandbox_id)).link == "direct"

    async def none() -> None:
        return None

    hub = Hub(tmp_path / "r", tmp_path / "l", none, "auto")
    assert (await hub.open(sandbox_id)).link == "forwarded"
    await hub.shutdown()


async def test_direct_without_a_listener_is_a_clear_error(tmp_path: Path, sandbox_id: str) -> None:
    hub = Hub(tmp_path / "r", tmp_path / "l", None, "direct")
    with pytest.raises(OrkeeError) as caught:
        await hub.open(sandbox_id)
    assert caught.value.code == "link_failed"
    await hub.shutdown()


async def test_a_socket_path_that_is_too_long_is_a_clear_error(
    tmp_path: Path, sandbox_id: str
) -> None:
    hub = Hub(tmp_path / ("x" * 100), tmp_path / "l", None)
    with pytest.raises(OrkeeError, match="too long"):
        await hub.open(sandbox_id)
    await hub.shutdown()


@pytest.mark.parametrize("wrong", ["", "../../etc", "A" * 32, "0" * 31, "0" * 32 + "\n"])
async def test_what_is_no_id_makes_no_place(hub: Hub, wrong: str) -> None:
    with pytest.raises(OrkeeError):
        await hub.open(wrong)


async def test_closing_ends_streams_at_once_and_keeps_the_log(
    hub: Hub, sandbox_id: str, connect: Connect
) -> None:
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 1)
    stream = await peer.stream()
    starting = asyncio.create_task(daemon.exec(ExecRequest(command=("x",))))
    await stream.expect_json(frames.OPEN)
    stream.json(frames.OPENED, {"credit": 0, "pid": 5})
    running = await starting
    peer.log.log(1, b"kept\n")
    reader = hub.logs(sandbox_id, LogQuery(follow=True))
    assert (await anext(reader)).data == b"kept\n"
    await hub.close(sandbox_id)
    await hub.close(sandbox_id)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(OrkeeError) as caught:
            await running.exit()
        assert [entry async for entry in reader] == []
    assert caught.value.code == "sandbox_lost"
    assert [entry.data async for entry in hub.logs(sandbox_id, LogQuery())] == [b"kept\n"]


async def test_forgetting_removes_the_log(hub: Hub, sandbox_id: str, tmp_path: Path) -> None:
    await hub.open(sandbox_id)
    await hub.forget(sandbox_id)
    await hub.forget(sandbox_id)
    assert not (tmp_path / "log" / sandbox_id).exists()
    assert [entry async for entry in hub.logs(sandbox_id, LogQuery())] == []


async def test_after_close_there_is_nobody_to_connect_to(hub: Hub, sandbox_id: str) -> None:
    await hub.open(sandbox_id)
    waiting = asyncio.create_task(hub.connected(sandbox_id, 60))
    await asyncio.sleep(0)
    await hub.close(sandbox_id)
    with pytest.raises(OrkeeError) as caught:
        await waiting
    assert caught.value.code == "sandbox_lost"
    with pytest.raises(OrkeeError):
        await hub.connected(sandbox_id, 60)


async def test_nothing_is_left_after_shutdown(
    make_hub: MakeHub, connect: Connect, link: str, tmp_path: Path
) -> None:
    gc.collect()
    before = open_descriptors(), asyncio.all_tasks()
    hub = make_hub(link)
    peers = []
    for _ in range(5):
        sandbox_id = secrets.token_hex(16)
        peers.append(await connect(hub, sandbox_id))
        await hub.connected(sandbox_id, 1)
    await hub.shutdown()
    await hub.shutdown()
    for peer in peers:
        await peer.close()
    gc.collect()
    assert not (tmp_path / "run" / "s").exists()
    assert (open_descriptors(), asyncio.all_tasks()) == before


async def test_a_real_daemon_ends_when_its_place_is_closed_after_stop(
    make_hub: MakeHub, sandbox_id: str, run: Run, link: str
) -> None:
    before = open_descriptors()
    hub = make_hub(link)
    daemon = await run(hub, sandbox_id)
    await daemon.start(["sleep", "60"], {}, "/")
    await daemon.stop(1)
    await hub.forget(sandbox_id)
    await hub.shutdown()
    assert open_descriptors() <= before + 2  # the child watcher of asyncio, at its first child


async def test_a_program_that_is_not_built_is_a_clear_error() -> None:
    with pytest.raises(OrkeeError) as caught:
        binary("mips")
    assert (caught.value.code, "make setup" in caught.value.remedy) == ("internal", True)
