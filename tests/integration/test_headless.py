"""Without a server the command line and the client start one, which ends itself when idle."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .processes import command_line, containers_of, kill, until
from .servers import Server
from .world import World

IDLE = 6.0
STREAMS = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "check": False}


class Shell:
    """A login without any server: its own runtime folder, the same engine."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.folder = world.folder / "headless"
        for name in ("run", "config"):
            (self.folder / name).mkdir(mode=0o700, parents=True)
        settings = {"OrkeeExtension": {"headless_idle_timeout": IDLE}}
        file = self.folder / "config" / "jupyter_orkee_jupyter_config.json"
        file.write_text(json.dumps(settings))
        self.env = world.env | {
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "JUPYTER_CONFIG_DIR": str(self.folder / "config"),
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *words]
        return subprocess.run(command, env=self.env, cwd=self.folder, timeout=60, **STREAMS)  # type: ignore[call-overload,no-any-return]

    def orkee(self, verb: str, *words: str) -> Any:
        done = self.run("-m", "orkee_jupyter.cli", "sandbox", verb, "--json", *words)
        assert done.returncode == 0, done
        return json.loads(done.stdout)

    def servers(self) -> list[int]:
        """Return the pids of the servers that it has."""
        found = (self.folder / "run" / "orkee").glob("server-*.sock")
        return [pid for path in found if command_line(pid := int(path.stem.partition("-")[2]))]


@pytest.fixture
def shell(world: World) -> Iterator[Shell]:
    made = Shell(world)
    yield made
    for pid in made.servers():
        kill(pid, signal.SIGTERM)
        until(lambda: not command_line(pid), 12)  # noqa: B023 - it is called at once
    shutil.rmtree(made.folder)


def test_the_command_line_starts_a_server_that_ends_itself_when_idle(shell: Shell) -> None:
    made = shell.orkee("create", "debian", "--name", "alone")
    assert made["status"] == "active"
    (server,) = shell.servers()
    assert [each["id"] for each in shell.orkee("ls")] == [made["id"]]
    assert shell.orkee("exec", "alone", "--", "true")["exit_code"] == 0
    begin = time.monotonic()
    until(lambda: time.monotonic() - begin > IDLE + 2, IDLE + 10)
    assert shell.servers() == [server], "a sandbox keeps its server"
    shell.orkee("stop", "alone")
    until(lambda: not command_line(server), IDLE + 12, what="the end of an idle server")
    assert not list((shell.folder / "run" / "orkee").glob("*.sock"))


def test_of_many_at_once_one_starts_the_server(shell: Shell) -> None:
    words = [sys.executable, "-m", "orkee_jupyter.cli", "sandbox", "ls", "--json"]
    started = [
        subprocess.Popen(words, env=shell.env, cwd=shell.folder, stdout=subprocess.PIPE)
        for _ in range(5)
    ]
    assert [process.communicate(timeout=60)[0] for process in started] == [b"[]\n"] * 5
    assert len(shell.servers()) == 1


def test_plain_python_makes_a_sandbox_that_outlives_it(shell: Shell) -> None:
    script = "from orkee_jupyter import Sandbox; print(Sandbox.create('debian', name='left').id)"
    done = shell.run("-c", script)
    assert done.returncode == 0, done
    assert containers_of([done.stdout.strip()])
    assert shell.orkee("get", "left")["status"] == "active"
    shell.orkee("stop", "left")


def test_the_extension_is_enabled(world: World) -> None:
    words = [sys.executable, "-m", "jupyter_server.extension.serverextension", "list"]
    done = subprocess.run(words, env=world.env, timeout=60, **STREAMS)  # type: ignore[call-overload]
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "orkee_jupyter" in line]
    assert any("enabled" in line for line in lines), done
    assert any("OK" in line for line in lines), done


def test_a_socket_is_for_its_user_alone(direct: Server) -> None:
    assert direct.socket.stat().st_mode & 0o777 == 0o600
    assert direct.socket.parent.stat().st_mode & 0o777 == 0o700
    assert Path(f"/proc/{direct.pid}").stat().st_uid == os.getuid()
