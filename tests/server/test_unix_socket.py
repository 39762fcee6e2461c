"""The unix socket: this machine's user needs no token there, others get nothing."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from orkee_jupyter.server import unix_socket
from tests.server.conftest import BASE, Running


@pytest.mark.asyncio
async def test_the_socket_is_for_its_owner_and_named_in_the_environment(server: Running) -> None:
    path = Path(os.environ["ORKEE_SOCKET"])
    assert path.name == f"server-{os.getpid()}.sock"
    assert [mode(each) for each in (path, path.parent)] == [0o600, 0o700]


@pytest.mark.parametrize("prefix", ["/", BASE])
@pytest.mark.asyncio
async def test_the_interface_is_there_at_the_root_and_at_the_base_url(
    server: Running, prefix: str
) -> None:
    answer = await server.unix.get(f"http://any.host{prefix}orkee/api/sandbox/web")
    assert (answer.status_code, answer.json()["sandbox"]["name"]) == (200, "web")
    assert server.manager.calls == [("get", "web", "local")]


@pytest.mark.asyncio
async def test_it_needs_neither_token_nor_xsrf(server: Running) -> None:
    answer = await server.unix.post("/sandbox", json={}, headers={"Origin": "http://evil"})
    assert answer.status_code == 201
    assert server.manager.calls[0][2] == "local"


@pytest.mark.asyncio
async def test_under_a_hub_its_owner_is_the_hubs_user(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERHUB_USER", "ada")
    await server.unix.get("/sandbox")
    assert server.manager.calls[0][2] == "ada"


@pytest.mark.parametrize("path", ["api/contents", "api/kernels", "api/terminals"])
@pytest.mark.asyncio
async def test_jupyters_own_routes_keep_their_login(server: Running, path: str) -> None:
    answer = await server.unix.get(f"http://localhost{BASE}{path}")
    assert answer.status_code in (403, 404)


@pytest.mark.asyncio
async def test_another_uid_is_hung_up_on(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unix_socket, "peer_uid", lambda connection: os.getuid() + 1)
    with pytest.raises(httpx.RemoteProtocolError):
        await server.unix.get("/engine")
    assert server.manager.calls == []


def test_the_peers_uid_is_the_kernels_word() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert unix_socket.peer_uid(ours) == os.getuid()


@pytest.mark.asyncio
async def test_a_stop_removes_the_socket(server: Running) -> None:
    path = Path(os.environ["ORKEE_SOCKET"])
    await server.extension.stop_extension()
    assert path not in files(path.parent)
    assert "ORKEE_SOCKET" not in os.environ


def test_sockets_of_dead_servers_go_and_others_stay(tmp_path: Path) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], **_OUT).stdout
    dead, unheard = (
        tmp_path / f"server-{gone.strip()}.sock",
        tmp_path / f"server-{os.getppid()}.sock",
    )
    other = tmp_path / "server-x.sock"
    for path in (dead, unheard, other):
        path.touch()
    live = tmp_path / f"server-{os.getpid()}.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(live))
        listener.listen()
        unix_socket.remove_stale(tmp_path)
    assert files(tmp_path) == sorted([live, other])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


_OUT = {"capture_output": True, "text": True, "check": True}
