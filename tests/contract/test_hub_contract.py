"""What every hub and its daemons do: the real ones (with the real sandboxd) and the fakes."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from orkee_jupyter.sandbox.clock import SystemClock
from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.files import FileRequest, received_of
from orkee_jupyter.sandbox.model import ExecRequest, LogQuery
from orkee_jupyter.sandbox.ports import Daemon, DaemonHub, Endpoint, ExecStream
from orkee_jupyter.sandboxd.binary import binary
from orkee_jupyter.sandboxd.hub import Hub
from tests.fakes.hub import FakeHub

pytestmark = pytest.mark.asyncio


@dataclass
class Place:
    """A hub, one sandbox's id, and what brings its daemon up."""

    hub: DaemonHub
    folder: str
    sandbox_id: str = field(default_factory=lambda: secrets.token_hex(16))
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def dial(self) -> Daemon:
        """Open the place and have its daemon connect."""
        endpoint = await self.hub.open(self.sandbox_id)
        if isinstance(self.hub, FakeHub):
            await self.hub.dial(self.sandbox_id)
        else:
            await self._run(endpoint)
        return await self.hub.connected(self.sandbox_id, 10)

    async def _run(self, endpoint: Endpoint) -> None:
        """Run sandboxd on this host; it needs no container to speak its protocol."""
        process = await asyncio.create_subprocess_exec(
            binary(),
            "-socket",
            str(endpoint.socket_path),
            env={"PATH": os.environ["PATH"], "ORKEE_TOKEN": endpoint.token},
            cwd=self.folder,
            start_new_session=True,
        )
        self.processes.append(process)

    async def start(self, *command: str) -> Daemon:
        """Dial, and start a main command."""
        daemon = await self.dial()
        await daemon.start(command or None, {}, self.folder)
        return daemon

    async def lines(self, **query: Any) -> list[bytes]:
        """Return the pieces of the log."""
        return [entry.data async for entry in self.hub.logs(self.sandbox_id, LogQuery(**query))]


@pytest_asyncio.fixture(params=["fake", "real"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    hub: DaemonHub = FakeHub(SystemClock())
    if request.param == "real":
        try:
            binary()
        except OrkeeError:
            pytest.skip("sandboxd is not built")
        hub = Hub(tmp_path / "run", tmp_path / "log", link="forwarded")
    made = Place(hub, str(tmp_path))
    yield made
    await hub.shutdown()
    for process in made.processes:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def outcome(stream: ExecStream) -> tuple[bytes, bytes, int]:
    """Return stdout, stderr and exit code of a command."""
    data = {"stdout": b"", "stderr": b""}
    async for output in stream:
        data[output.stream] += output.data
    ended = await stream.exit()
    await stream.close()
    return data["stdout"], data["stderr"], ended.exit_code


async def code_of(call: Any) -> str:
    """Return the code of the OrkeeError that a call raises."""
    with pytest.raises(OrkeeError) as caught:
        await call
    return caught.value.code


async def test_each_place_has_a_token_of_its_own(place: Place) -> None:
    first = await place.hub.open(place.sandbox_id)
    second = await place.hub.open(secrets.token_hex(16))
    assert first.token != second.token
    assert first.link == "forwarded"
    assert first.socket_path != second.socket_path


async def test_a_daemon_that_does_not_come_is_a_link_failure(place: Place) -> None:
    await place.hub.open(place.sandbox_id)
    assert await code_of(place.hub.connected(place.sandbox_id, 0.01)) == "link_failed"


async def test_nothing_connects_to_a_closed_place(place: Place) -> None:
    await place.hub.open(place.sandbox_id)
    await place.hub.close(place.sandbox_id)
    assert await code_of(place.hub.connected(place.sandbox_id, 1)) == "sandbox_lost"


async def test_unknown_places_have_no_log_and_nothing_to_close(place: Place) -> None:
    assert await place.lines(follow=True) == []
    await place.hub.close(place.sandbox_id)
    await place.hub.forget(place.sandbox_id)


async def test_a_main_command_is_logged_and_its_exit_told(place: Place) -> None:
    daemon = await place.start("sh", "-c", "echo one; echo two >&2; exit 3")
    assert (await daemon.main_exit()).exit_code == 3
    assert sorted(await place.lines()) == [b"one\n", b"two\n"]


async def test_when_the_exit_is_told_the_whole_log_is_there(place: Place) -> None:
    daemon = await place.start("sh", "-c", "echo why; exit 1")
    await daemon.main_exit()
    assert await place.lines() == [b"why\n"]


async def test_a_followed_log_ends_with_the_commands_output(place: Place) -> None:
    await place.start("sh", "-c", "echo one; echo two")
    assert b"".join(await place.lines(follow=True)) == b"one\ntwo\n"


async def test_a_followed_log_ends_when_the_place_is_closed(place: Place) -> None:
    await place.start("sleep", "60")
    reading = asyncio.create_task(place.lines(follow=True))
    await place.hub.close(place.sandbox_id)
    assert await asyncio.wait_for(reading, 5) == []


async def test_a_log_is_kept_until_it_is_forgotten(place: Place) -> None:
    daemon = await place.start("echo", "kept")
    await daemon.main_exit()
    await place.hub.close(place.sandbox_id)
    assert await place.lines() == [b"kept\n"]
    await place.hub.forget(place.sandbox_id)
    assert await place.lines() == []


async def test_a_query_selects_by_sequence_and_last_lines(place: Place) -> None:
    daemon = await place.start("sh", "-c", "echo one; echo two; echo three")
    await daemon.main_exit()
    entries = [entry async for entry in place.hub.logs(place.sandbox_id, LogQuery())]
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert b"".join(await place.lines(tail=1)) == b"three\n"
    assert await place.lines(tail=0) == []
    assert await place.lines(after=entries[-1].seq) == []


async def test_no_main_command_is_no_error(place: Place) -> None:
    daemon = await place.dial()
    assert await daemon.start(None, {}, place.folder) is None


@pytest.mark.parametrize(
    ("command", "code"),
    [("no-such-program", "command_not_found"), ("/etc/passwd", "command_not_executable")],
)
async def test_commands_that_cannot_run_are_told_apart(
    place: Place, command: str, code: str
) -> None:
    daemon = await place.start()
    assert await code_of(daemon.exec(ExecRequest((command,)))) == code


async def test_a_main_command_that_cannot_run_is_told(place: Place) -> None:
    daemon = await place.dial()
    start = daemon.start(("no-such-program",), {}, place.folder)
    assert await code_of(start) == "command_not_found"


async def test_a_missing_folder_is_told(place: Place) -> None:
    daemon = await place.dial()
    assert await code_of(daemon.start(("true",), {}, "/missing")) == "invalid_directory"


async def test_exec_keeps_the_streams_apart_and_gives_the_exit_code(place: Place) -> None:
    daemon = await place.start()
    stream = await daemon.exec(ExecRequest(("sh", "-c", "echo out; echo err >&2; exit 4")))
    assert stream.pid > 0
    assert await outcome(stream) == (b"out\n", b"err\n", 4)


async def test_exec_passes_stdin(place: Place) -> None:
    daemon = await place.start()
    stream = await daemon.exec(ExecRequest(("cat",), stdin=True))
    await stream.write(b"\x00\xff")
    await stream.end_stdin()
    assert await outcome(stream) == (b"\x00\xff", b"", 0)


async def test_without_stdin_a_command_reads_its_end(place: Place) -> None:
    daemon = await place.start()
    assert await outcome(await daemon.exec(ExecRequest(("cat",)))) == (b"", b"", 0)


async def test_a_signal_ends_a_command_and_is_told(place: Place) -> None:
    daemon = await place.start()
    stream = await daemon.exec(ExecRequest(("sleep", "60")))
    await stream.signal("TERM")
    ended = await stream.exit()
    assert (ended.exit_code, ended.signal, ended.timed_out) == (143, "TERM", False)
    await stream.close()


async def test_a_timeout_ends_a_command_and_is_told(place: Place) -> None:
    daemon = await place.start()
    stream = await daemon.exec(ExecRequest(("sleep", "60"), timeout=0.05))
    assert (await stream.exit()).timed_out
    await stream.close()


async def test_closing_a_stream_twice_is_no_error(place: Place) -> None:
    daemon = await place.start()
    stream = await daemon.exec(ExecRequest(("sleep", "60")))
    await stream.close()
    await stream.close()


async def test_a_stop_ends_everything_and_is_a_loss_with_a_reason(place: Place) -> None:
    daemon = await place.start("sleep", "60")
    stream = await daemon.exec(ExecRequest(("sleep", "60")))
    await daemon.stop(2)
    assert await asyncio.wait_for(_wait(daemon.lost()), 5)
    assert await code_of(daemon.exec(ExecRequest(("true",)))) == "sandbox_lost"
    await stream.close()


async def test_closing_a_place_ends_its_streams(place: Place) -> None:
    daemon = await place.start()
    stream = await daemon.exec(ExecRequest(("sleep", "60")))
    await place.hub.close(place.sandbox_id)
    assert await code_of(stream.exit()) == "sandbox_lost"
    assert await asyncio.wait_for(_wait(daemon.lost()), 5)
    await stream.close()


async def test_to_give_up_waiting_for_an_exit_changes_nothing(place: Place) -> None:
    daemon = await place.start("cat")
    waiting = asyncio.ensure_future(_wait(daemon.main_exit()))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await daemon.stop(2)
    assert await asyncio.wait_for(_wait(daemon.lost()), 5)


async def _wait(awaitable: Any) -> Any:
    return await awaitable


async def test_a_file_that_is_written_can_be_read_and_removed(place: Place) -> None:
    daemon = await place.dial()
    sink = await daemon.files(FileRequest("write", "name"))
    await sink.write(b"some")
    await sink.write(b"thing")
    await sink.end_write()
    assert await received_of(sink) == {"files": 1, "bytes": 9}
    source = await daemon.files(FileRequest("read", "name"))
    assert source.entry is not None
    assert (source.entry.size, source.entry.type) == (9, "file")
    assert (await source.read(), await source.read()) == (b"something", b"")
    await (await daemon.files(FileRequest("remove", "name"))).read()
    assert await code_of(daemon.files(FileRequest("stat", "name"))) == "file_not_found"
    for stream in (sink, source):
        await stream.close()
        await stream.close()


async def test_a_write_that_is_closed_before_its_end_changes_nothing(place: Place) -> None:
    daemon = await place.dial()
    sink = await daemon.files(FileRequest("write", "name"))
    await sink.write(b"half")
    await sink.close()
    assert await code_of(daemon.files(FileRequest("read", "name"))) == "file_not_found"
    assert await code_of(daemon.files(FileRequest("read", "../name"))) == "invalid_path"
    assert await code_of(daemon.files(FileRequest("dance", "name"))) == "invalid_request"


async def test_an_operation_on_files_ends_with_its_sandbox(place: Place) -> None:
    daemon = await place.dial()
    sink = await daemon.files(FileRequest("write", "name"))
    await place.hub.close(place.sandbox_id)
    assert await code_of(sink.read()) == "sandbox_lost"
    assert await code_of(daemon.files(FileRequest("stat", "name"))) == "sandbox_lost"
    await sink.close()
