"""Terminals over the websocket, and Jupyter's own that show one."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from orkee_jupyter.sandbox.model import Output, TerminalRequest

from .conftest import Running
from .stub import ID, StubExec
from .test_exec_socket import answers, opened

pytestmark = pytest.mark.asyncio


async def test_a_terminal_is_told_with_its_name_and_resized(server: Running) -> None:
    stream = server.manager.exec_stream = StubExec([Output("stdout", b"$ ")])
    async with opened(server) as socket:
        start = {"type": "start", "tty": True, "rows": 30, "columns": 100, "name": "work"}
        await socket.send(json.dumps(start))
        started, output, last = await answers(socket)
    assert (started["name"], started["reattached"], started["replay"]) == ("1", False, 0)
    assert (output, last["type"]) == (b"\x01$ ", "exit")
    (call,) = [each for each in server.manager.calls if each[0] == "terminal"]
    assert call[1:3] == (ID, TerminalRequest(30, 100, name="work"))
    assert stream.closed.is_set()


async def test_a_new_size_reaches_the_terminal(server: Running) -> None:
    stream = server.manager.exec_stream = StubExec([])
    stream.hangs = True
    async with opened(server) as socket:
        await socket.send('{"type": "start", "tty": true}')
        await socket.recv()
        await socket.send('{"type": "resize", "rows": 40, "columns": 120}')
        await socket.send('{"type": "signal", "signal": "HUP"}')
        await socket.send(b"\0typed")
        assert json.loads(await socket.recv()) == {"type": "taken", "bytes": 5}
    assert stream.signals == ["40x120", "HUP"]


class Terminals:
    """Jupyter's terminal manager, as far as it is used."""

    def __init__(self) -> None:
        self.terminals: dict[str, Any] = {}

    def create(self, name: str, shell_command: list[str]) -> None:
        self.terminals[name] = shell_command


async def test_a_server_without_terminals_says_so(server: Running) -> None:
    server.app.web_app.settings.pop("terminal_manager", None)
    answer = await server.http.post("/sandbox/web/terminal")
    assert (answer.status_code, answer.json()["code"]) == (501, "no_terminals")


async def test_jupyters_terminal_is_made_once_and_found_again(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminals = Terminals()
    settings = server.app.web_app.settings
    monkeypatch.setitem(settings, "terminal_manager", terminals)
    monkeypatch.setitem(settings, "terminals_available", True)
    bodies: tuple[dict[str, Any], ...] = ({}, {}, {"new": True}, {"name": "work"})
    found = [await server.http.post("/sandbox/web/terminal", json=body) for body in bodies]
    assert [each.status_code for each in found] == [201, 200, 201, 201]
    names = [each.json()["terminal"]["name"] for each in found]
    begin = f"sandbox_{ID[:12]}"
    assert names == [begin, begin, f"{begin}_2", f"{begin}_{b'work'.hex()}"]
    commands = [terminals.terminals[name][3:] for name in dict.fromkeys(names)]
    assert commands == [
        ["sandbox", "shell", ID],
        ["sandbox", "shell", ID, "--new"],
        ["sandbox", "shell", ID, "--name", "work"],
    ]


async def test_a_page_for_terminals_is_named_where_there_is_one(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = server.app.web_app.settings
    monkeypatch.setitem(settings, "terminal_manager", Terminals())
    monkeypatch.setitem(settings, "terminals_available", True)
    apps = SimpleNamespace(extension_manager=SimpleNamespace(extension_apps={"notebook": 1}))
    monkeypatch.setitem(settings, "serverapp", apps)
    terminal = (await server.http.post("/sandbox/web/terminal")).json()["terminal"]
    assert terminal["path"].endswith(f"/terminals/{terminal['name']}")
