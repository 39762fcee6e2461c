"""Detached commands of the real sandboxd, over both links."""

from __future__ import annotations

import asyncio
import contextlib

import psutil
import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import ExecRequest, Exit, Output
from orkee_jupyter.sandbox.ports import ExecStream
from orkee_jupyter.sandboxd.daemon import Daemon
from orkee_jupyter.sandboxd.frames import ProtocolError
from orkee_jupyter.sandboxd.hub import Hub
from orkee_jupyter.sandboxd.processes import decode_processes

from .conftest import Run

pytestmark = pytest.mark.asyncio


async def detach(daemon: Daemon, script: str) -> ExecStream:
    return await daemon.exec(ExecRequest(command=("sh", "-c", script), detach=True))


async def collect(stream: ExecStream) -> tuple[dict[str, bytes], int, Exit]:
    """Return the outputs by stream, how many bytes were dropped, and the exit."""
    out, dropped = {"stdout": b"", "stderr": b"", "dropped": b""}, 0
    async with asyncio.timeout(20):
        async for piece in stream:
            out[piece.stream] += piece.data
            dropped += piece.dropped
        return out, dropped, await stream.exit()


async def until_ended(daemon: Daemon, pid: int) -> Exit:
    async with asyncio.timeout(20):
        while True:
            (process,) = [each for each in await daemon.processes() if each.pid == pid]
            if process.exit is not None:
                return process.exit
            await asyncio.sleep(0.01)


async def test_a_detached_command_goes_on_and_can_be_attached_to(
    hub: Hub, sandbox_id: str, run: Run
) -> None:
    daemon = await run(hub, sandbox_id)
    stream = await detach(daemon, "echo one; sleep 0.3; echo two >&2; exit 3")
    pid = stream.pid
    await stream.close()
    again = await daemon.attach(pid)
    out, dropped, end = await collect(again)
    assert (out["stdout"], out["stderr"], dropped) == (b"one\n", b"two\n", 0)
    assert (end.exit_code, again.pid) == (3, pid)


async def test_two_readers_have_the_same(hub: Hub, sandbox_id: str, run: Run) -> None:
    daemon = await run(hub, sandbox_id)
    first = await detach(daemon, "for i in 1 2 3; do echo $i; sleep 0.1; done")
    second = await daemon.attach(first.pid)
    both = await asyncio.gather(collect(first), collect(second))
    assert [each[0]["stdout"] for each in both] == [b"1\n2\n3\n"] * 2


async def test_what_is_lost_is_counted(hub: Hub, sandbox_id: str, run: Run) -> None:
    daemon = await run(hub, sandbox_id)
    stream = await detach(daemon, "head -c 3000000 /dev/zero")
    pid = stream.pid
    await stream.close()
    await until_ended(daemon, pid)
    out, dropped, _ = await collect(await daemon.attach(pid))
    assert len(out["stdout"]) <= 256 * 1024
    assert len(out["stdout"]) + dropped == 3_000_000


async def test_the_list_says_what_runs_and_how_it_ended(
    hub: Hub, sandbox_id: str, run: Run
) -> None:
    daemon = await run(hub, sandbox_id)
    await daemon.start(["sleep", "60"], {}, "/")
    stream = await detach(daemon, "exec sleep 61")
    kinds = {each.kind: each.command for each in await daemon.processes()}
    assert kinds == {"main": ("sleep", "60"), "detached": ("sh", "-c", "exec sleep 61")}
    await daemon.kill(stream.pid, "SIGKILL")
    assert (await until_ended(daemon, stream.pid)).signal == "KILL"


@pytest.mark.parametrize("pid", [1, 999_999])
async def test_only_commands_of_the_sandbox_are_signalled(
    hub: Hub, sandbox_id: str, run: Run, pid: int
) -> None:
    daemon = await run(hub, sandbox_id)
    for call in (daemon.kill(pid, "TERM"), daemon.attach(pid)):
        with pytest.raises(OrkeeError) as caught:
            await call
        assert caught.value.code == "process_not_found"
    with pytest.raises(OrkeeError, match="not the name of a signal"):
        await daemon.kill(pid, "NONSENSE")


async def test_a_wrong_signal_does_not_end_a_command(hub: Hub, sandbox_id: str, run: Run) -> None:
    daemon = await run(hub, sandbox_id)
    stream = await daemon.exec(ExecRequest(command=("sleep", "60")))
    with pytest.raises(OrkeeError):
        await stream.signal("RTMIN")
    assert psutil.pid_exists(stream.pid)
    await stream.signal("term")
    assert (await stream.exit()).signal == "TERM"


async def test_stop_ends_detached_commands(hub: Hub, sandbox_id: str, run: Run) -> None:
    daemon = await run(hub, sandbox_id)
    stream = await detach(daemon, "echo there; exec sleep 60")
    assert await anext(aiter(stream)) == Output("stdout", b"there\n")
    await daemon.stop(2)
    with contextlib.suppress(OrkeeError):
        assert (await stream.exit()).signal == "TERM"
    assert not psutil.pid_exists(stream.pid)


@pytest.mark.parametrize(
    "listed",
    [None, [{"pid": 0}], [{"pid": 1, "started_ms": -1}], [{}] * 1001, [{"pid": 1 << 40}]],
)
async def test_a_hostile_list_is_refused(listed: object) -> None:
    with pytest.raises(ProtocolError):
        decode_processes({"processes": listed})
