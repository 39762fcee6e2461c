"""The real sandboxd, run on this host, over both links."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal

import psutil
import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import ExecRequest, Exit, LogQuery, Output
from orkee_jupyter.sandboxd.execute import ExecStream
from orkee_jupyter.sandboxd.hub import Hub

from .conftest import MakeHub, Run

pytestmark = pytest.mark.asyncio


def sh(script: str, **how: object) -> ExecRequest:
    """Return the request for a shell script."""
    return ExecRequest(command=("sh", "-c", script), **how)  # type: ignore[arg-type]


async def finish(stream: ExecStream) -> tuple[bytes, bytes, Exit]:
    """Return stdout, stderr and the exit of a command."""
    out: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
    async with asyncio.timeout(60):
        async for piece in stream:
            out[piece.stream] += piece.data
        return bytes(out["stdout"]), bytes(out["stderr"]), await stream.exit()


async def test_exec_gives_both_outputs_and_the_exit_code(
    hub: Hub, sandbox_id: str, run: Run
) -> None:
    daemon = await run(hub, sandbox_id)
    out, err, ended = await finish(await daemon.exec(sh("echo out; echo err >&2; exit 3")))
    assert (out, err, ended.exit_code, ended.signal) == (b"out\n", b"err\n", 3, None)


async def test_exec_takes_environment_and_directory(hub: Hub, sandbox_id: str, run: Run) -> None:
    daemon = await run(hub, sandbox_id)
    await daemon.start(None, {"A": "one"}, "/")
    out, _, _ = await finish(await daemon.exec(sh("echo $A $B; pwd", env={"B": "two"}, cwd="/tmp")))
    assert out == b"one two\n/tmp\n"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (ExecRequest(command=("no-such-command",)), "command_not_found"),
        (ExecRequest(command=("/etc/passwd",)), "command_not_executable"),
        (ExecRequest(command=("true",), cwd="/nowhere"), "invalid_directory"),
        (ExecRequest(command=("true", "x" * 300_000)), "invalid_request"),
        (ExecRequest(command=("true", "\0")), "invalid_request"),
    ],
)
async def test_a_command_that_cannot_start_has_a_clear_code(
    hub: Hub, sandbox_id: str, run: Run, request_: ExecRequest, code: str
) -> None:
    daemon = await run(hub, sandbox_id)
    with pytest.raises(OrkeeError) as caught:
        await daemon.exec(request_)
    assert caught.value.code == code


async def test_stdin_of_several_windows_comes_back(hub: Hub, sandbox_id: str, run: Run) -> None:
    daemon = await run(hub, sandbox_id)
    stream = await daemon.exec(ExecRequest(command=("cat",), stdin=True))
    sent = os.urandom(5_000_000)

    async def feed() -> None:
        await stream.write(sent)
        await stream.end_stdin()

    feeding = asyncio.create_task(feed())
    out, _, ended = await finish(stream)
    await feeding
    assert ended.exit_code == 0
    assert hashlib.sha256(out).digest() == hashlib.sha256(sent).digest()


async def test_a_signal_and_a_timeout_end_the_command(hub: Hub, sandbox_id: str, run: Run) -> None:
    daemon = await run(hub, sandbox_id)
    stream = await daemon.exec(sh("echo there; exec sleep 60"))
    assert await stream.next_piece() == (1, b"there\n")
    await stream.signal("SIGINT")
    assert (await finish(stream))[2].signal == "INT"
    _, _, ended = await finish(await daemon.exec(sh("exec sleep 60", timeout=0.1)))
    assert ended.timed_out
    assert ended.exit_code == 143


async def test_closing_an_exec_ends_its_command(hub: Hub, sandbox_id: str, run: Run) -> None:
    daemon = await run(hub, sandbox_id)
    stream = await daemon.exec(sh("echo there; exec sleep 60"))
    assert await anext(aiter(stream)) == Output("stdout", b"there\n")
    await stream.close()
    await stream.close()
    async with asyncio.timeout(5):
        while stream.pid in psutil.pids():
            await finish(await daemon.exec(sh("true")))


async def test_many_execs_at_once_all_give_their_own_output(
    hub: Hub, sandbox_id: str, run: Run
) -> None:
    daemon = await run(hub, sandbox_id)

    async def one(number: int) -> bytes:
        return (await finish(await daemon.exec(sh(f"echo {number}"))))[0]

    outs = await asyncio.gather(*(one(number) for number in range(40)))
    assert outs == [b"%d\n" % number for number in range(40)]


async def test_the_log_of_a_million_lines_is_exact(hub: Hub, sandbox_id: str, run: Run) -> None:
    daemon = await run(hub, sandbox_id)
    await daemon.start(["seq", "1000000"], {}, "/")
    whole = hashlib.sha256()
    async with asyncio.timeout(60):
        async for entry in hub.logs(sandbox_id, LogQuery(follow=True)):
            assert entry.stream == "stdout"
            whole.update(entry.data)
        assert (await daemon.main_exit()).exit_code == 0
    wanted = "".join(f"{number}\n" for number in range(1, 1_000_001)).encode()
    assert whole.digest() == hashlib.sha256(wanted).digest()


async def test_stdout_and_stderr_of_the_log_are_apart(hub: Hub, sandbox_id: str, run: Run) -> None:
    daemon = await run(hub, sandbox_id)
    await daemon.start(["sh", "-c", "printf '\\377out'; printf err >&2; exit 4"], {}, "/")
    assert (await daemon.main_exit()).exit_code == 4
    log = {e.stream: e.data async for e in hub.logs(sandbox_id, LogQuery(follow=True))}
    assert log == {"stdout": b"\xffout", "stderr": b"err"}


async def test_stop_ends_everything_in_order(hub: Hub, sandbox_id: str, run: Run) -> None:
    daemon = await run(hub, sandbox_id)
    await daemon.start(
        ["sh", "-c", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"], {}, "/"
    )
    assert (await anext(aiter(hub.logs(sandbox_id, LogQuery(follow=True))))).data == b"up\n"
    stream = await daemon.exec(sh("echo there; exec sleep 60"))
    assert await stream.next_piece() == (1, b"there\n")
    async with asyncio.timeout(10):
        await daemon.stop(3)
        assert await daemon.lost() == "the sandbox was stopped"
        assert (await stream.exit()).signal == "TERM"
    log = [entry async for entry in hub.logs(sandbox_id, LogQuery(follow=True))]
    assert [entry.data for entry in log if entry.stream == "stdout"] == [b"up\n", b"bye\n"]


async def test_a_broken_control_connection_loses_execs_but_no_log(
    hub: Hub, sandbox_id: str, run: Run
) -> None:
    daemon = await run(hub, sandbox_id)
    stream = await daemon.exec(sh("sleep 60"))
    await daemon.start(["seq", "200000"], {}, "/")
    assert daemon._connections._control is not None
    daemon._connections._control.abort()
    with pytest.raises(OrkeeError) as caught:
        await stream.exit()
    assert caught.value.code == "sandbox_lost"
    async with asyncio.timeout(20):
        log = [entry.data async for entry in hub.logs(sandbox_id, LogQuery(follow=True))]
        assert (await daemon.main_exit()).exit_code == 0
    assert b"".join(log) == "".join(f"{n}\n" for n in range(1, 200_001)).encode()
    assert (await finish(await daemon.exec(sh("echo again"))))[0] == b"again\n"


async def test_a_killed_daemon_is_lost_and_its_execs_end(
    make_hub: MakeHub, sandbox_id: str, run: Run, link: str
) -> None:
    hub = make_hub(link, gone=0.05)
    daemon = await run(hub, sandbox_id)
    stream = await daemon.exec(sh("echo $PPID; sleep 1"))
    piece = await stream.next_piece()
    assert piece is not None
    os.kill(int(piece[1]), signal.SIGKILL)
    async with asyncio.timeout(5):
        assert await daemon.lost() == "the sandbox's container ended"
        with pytest.raises(OrkeeError) as caught:
            await stream.exit()
    assert caught.value.code == "sandbox_lost"


async def test_a_port_of_the_sandbox_is_reached_with_half_close(
    hub: Hub, sandbox_id: str, run: Run
) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    daemon = await run(hub, sandbox_id)
    async with server, asyncio.timeout(20):
        stream = await daemon.dial(server.sockets[0].getsockname()[1])
        await stream.write(b"x" * 3_000_000)
        await stream.end_write()
        got = b""
        while piece := await stream.read():
            got += piece
        await stream.close()
    assert got == b"x" * 3_000_000


async def test_a_port_that_nobody_listens_on_is_refused(
    hub: Hub, sandbox_id: str, run: Run
) -> None:
    daemon = await run(hub, sandbox_id)
    with pytest.raises(OrkeeError) as caught:
        await daemon.dial(1)
    assert caught.value.code == "link_failed"
