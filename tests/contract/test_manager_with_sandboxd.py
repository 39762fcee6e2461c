"""The manager with the real hub and the real sandboxd, which runs on this host."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.manager import SandboxManager, Settings
from orkee_jupyter.sandbox.model import CreateRequest, ExecRequest, LogQuery, Sandbox, Status
from orkee_jupyter.sandbox.ports import ContainerDefinition, Progress
from orkee_jupyter.sandbox.templates import TemplateCatalogue
from orkee_jupyter.sandboxd.binary import binary
from orkee_jupyter.sandboxd.hub import Hub
from orkee_jupyter.store.shelf import SnapshotShelf
from tests.fakes.engine import FakeEngine
from tests.fakes.store import FakeStore

pytestmark = pytest.mark.asyncio

OWNER = "ada"


class HostEngine(FakeEngine):
    """A fake engine whose containers are sandboxd processes of this host."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, definition: ContainerDefinition, progress: Progress) -> str:
        self.processes[definition.sandbox_id] = await asyncio.create_subprocess_exec(
            binary(),
            "-socket",
            str(definition.endpoint.socket_path),
            env={"PATH": os.environ["PATH"], "ORKEE_TOKEN": definition.endpoint.token},
            start_new_session=True,
        )
        return await super().start(definition, progress)

    async def stop(self, sandbox_id: str) -> None:
        process = self.processes[sandbox_id]
        if process.returncode is None:
            process.kill()
        await process.wait()
        await super().stop(sandbox_id)


class Host:
    """A manager on this host, and the changes that it published."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = HostEngine()
        self.hub = Hub(folder / "run", folder / "log", link="forwarded")
        self.changes: asyncio.Queue[Sandbox] = asyncio.Queue()
        self.manager = SandboxManager(
            store=FakeStore(),
            engine=self.engine,
            hub=self.hub,
            templates=TemplateCatalogue(),
            shelf=SnapshotShelf(folder / "snapshots"),
            settings=Settings(stop_grace=1.0, exit_window=1.0),
            publish=self.changes.put_nowait,
        )

    async def create(self, *command: str) -> Sandbox:
        request = CreateRequest(command=command or None, working_directory=str(self.folder))
        return await self.manager.create(request, OWNER, lambda _: None)

    async def change(self, status: Status) -> Sandbox:
        """Wait for a published state."""
        async with asyncio.timeout(10):
            while (sandbox := await self.changes.get()).status is not status:
                pass
        return sandbox


@pytest_asyncio.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    try:
        binary()
    except OrkeeError:
        pytest.skip("sandboxd is not built")
    made = Host(tmp_path)
    await made.manager.startup()
    yield made
    await made.manager.shutdown()
    await made.hub.shutdown()
    assert all(process.returncode is not None for process in made.engine.processes.values())


async def test_a_sandbox_runs_commands_and_stops_in_order(host: Host) -> None:
    sandbox = await host.create("sleep", "60")
    stream = await host.manager.exec(sandbox.id, ExecRequest(("echo", "hi")), OWNER)
    assert [output.data async for output in stream] == [b"hi\n"]
    assert (await stream.exit()).exit_code == 0
    await stream.close()
    stopped = await host.manager.stop(sandbox.id, OWNER)
    assert (stopped.status, stopped.reason) == (Status.TERMINATED, "stopped")
    assert host.engine.processes[sandbox.id].returncode is not None


async def test_a_command_that_fails_at_once_shows_its_last_lines(host: Host) -> None:
    with pytest.raises(OrkeeError) as caught:
        await host.create("sh", "-c", "echo one; echo two >&2; exit 3")
    assert caught.value.code == "command_exited"
    assert sorted(caught.value.details["lines"]) == ["one", "two"]


async def test_a_killed_daemon_pauses_its_sandbox_and_the_log_stays(host: Host) -> None:
    sandbox = await host.create("sh", "-c", "echo here; exec sleep 60")
    host.engine.processes[sandbox.id].kill()
    paused = await host.change(Status.PAUSED)
    assert paused.reason == "the sandbox's container ended"
    log = await host.manager.logs(sandbox.id, LogQuery(), OWNER)
    assert [entry.data async for entry in log] == [b"here\n"]
    stopped = await host.manager.stop(sandbox.id, OWNER)
    assert stopped.status is Status.TERMINATED


async def test_a_command_that_ends_later_leaves_the_sandbox_active(host: Host) -> None:
    sandbox = await host.create("sh", "-c", "sleep 4; exit 5")
    assert sandbox.exit_code is None
    assert await host.change(Status.ACTIVE) == sandbox
    while (ended := await host.change(Status.ACTIVE)).exit_code is None:
        pass  # its use was noted
    assert (ended.exit_code, ended.reason) == (5, "command exited with code 5")
    stream = await host.manager.exec(sandbox.id, ExecRequest(("true",)), OWNER)
    assert (await stream.exit()).exit_code == 0
    await stream.close()
