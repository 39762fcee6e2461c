"""The native engine of an ordinary user, whose home is closed to everybody else.

Root makes the user for the test, and asks the user's supervisor, which answers root too.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orkee_jupyter import paths
from orkee_jupyter.dagger.native import PROGRAMS, NativeEngine

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

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.engine,
    pytest.mark.skipif(os.getuid() != 0, reason="only root can make a user"),
    pytest.mark.skipif(not NativeEngine().installed(), reason="the native engine is not built"),
]


def command(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


class Account:
    """A user with an installed engine in a home of mode 0700."""

    def __init__(self, base: Path) -> None:
        self.name = f"orkee-{os.getpid()}"
        self.home = base / "home"
        command("/usr/sbin/useradd", "--create-home", "--home-dir", str(self.home), self.name)
        self.home.chmod(0o700)
        self.native = NativeEngine(
            engine_dir=self.home / "engine",
            registry_dir=self.home / "registry",
            socket_dir=self.home / "run",
        )
        self.native.bin_dir.mkdir(parents=True)
        for name in PROGRAMS:
            shutil.copy(paths.engine_dir() / "bin" / name, self.native.bin_dir / name)
            (self.native.bin_dir / name).chmod(0o700)
        self.config = self.home / "config.json"
        folders = {name: str(self.home / "engine" / name[:-4]) for name in ("bin_dir", "state_dir")}
        sockets = {
            "socket_dir": str(self.home / "run"),
            "registry_dir": str(self.home / "registry"),
        }
        self.config.write_text(json.dumps({**folders, **sockets, "idle_timeout": 0}))
        command("chown", "-R", f"{self.name}:", str(self.home))

    def supervisor(self, *words: str) -> list[str]:
        program = str(self.native.bin_dir / "orkee-engine")
        return ["/usr/sbin/runuser", "-u", self.name, "--", program, *words]

    def start(self) -> subprocess.Popen[bytes]:
        words = self.supervisor("run", "--config", str(self.config))
        environment = {
            "HOME": str(self.home),
            "PATH": "/usr/bin:/bin",
        }  # no sbin, as a login has it
        with (self.home / "log").open("ab") as log:
            return subprocess.Popen(words, stdout=log, stderr=log, env=environment, umask=0o077)

    def remove(self) -> None:
        command(*self.supervisor("purge", "--config", str(self.config), "--images"))
        command("/usr/sbin/userdel", "--remove", "--force", self.name)


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    base = Path(tempfile.mkdtemp(prefix="orkee-user-"))
    base.chmod(0o755)
    made = Account(base)
    yield made
    made.remove()
    shutil.rmtree(base)


@pytest.fixture
def process(account: Account) -> Iterator[subprocess.Popen[bytes]]:
    started = account.start()
    yield started
    if started.poll() is None:
        started.terminate()
    started.wait(20)


@pytest.fixture(scope="module")
def rootfs() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="orkee-rootfs-") as path:
        yield make_rootfs(Path(path))


async def ready(account: Account) -> dict[str, object]:
    async with asyncio.timeout(30):
        while not (status := await account.native.status())["ready"]:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    return dict(status)


async def test_a_user_without_rights_runs_containers(
    account: Account, process: subprocess.Popen[bytes], rootfs: Path
) -> None:
    status = await ready(account)
    assert status["rootless"] is True
    text = await asyncio.to_thread(
        lambda: answer(run(account.native, rootfs, ["/bin/cat", "/proc/self/uid_map"]))
    )
    assert "65536" in str(text)
    listening, address = await account.native.listener()
    listening.close()
    assert address.startswith("10.87.0.1:")


async def test_a_kill_of_the_users_supervisor_leaves_nothing(
    account: Account, process: subprocess.Popen[bytes], rootfs: Path
) -> None:
    before = host_traces()
    status = await ready(account)
    query = run(account.native, rootfs, ["/bin/sleep", "100"])
    supervisor = int(str(status["pid"]))
    until(lambda: sleepers(supervisor), 30)
    assert owner(sleepers(supervisor)[0]) == status["first_uid"] != owner(supervisor)
    pids = descendants(supervisor)
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: command_lines(pids) == [], 20)
    assert host_traces() == before
    end(query)


async def test_the_engines_files_are_removed_by_purge(account: Account) -> None:
    command(*account.supervisor("purge", "--config", str(account.config), "--images"))
    left = {path.name for path in (account.home / "engine").iterdir()}
    assert left == {"bin", "state.lock"}
