"""Commands in a sandbox, over both links: output, input, ends, and bytes as they are."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from orkee_jupyter.client import Client, OrkeeError, Sandbox

from .processes import commands_in, until
from .servers import Server

BYTES = bytes(range(256)) * 40


def test_stdout_and_stderr_are_apart(sandbox: Sandbox) -> None:
    result = sandbox.exec("echo out; echo err >&2; echo out2")
    assert (result.stdout, result.stderr) == ("out\nout2\n", "err\n")
    assert (result.exit_code, result.signal, result.timed_out) == (0, None, False)
    assert 0 < result.duration < 5


@pytest.mark.parametrize("code", [1, 42, 255])
def test_the_exit_code_is_the_commands_own(sandbox: Sandbox, code: int) -> None:
    assert sandbox.exec(["sh", "-c", f"exit {code}"]).exit_code == code


def test_stdin_arrives_as_it_is(sandbox: Sandbox) -> None:
    assert sandbox.exec(["cat"], stdin=BYTES).stdout_bytes == BYTES
    assert sandbox.exec(["cat"], stdin="grüße\n").stdout == "grüße\n"
    assert sandbox.exec(["cat"]).stdout_bytes == b"", "without stdin there is its end"


def test_a_command_that_does_not_read_its_stdin_ends_well(sandbox: Sandbox) -> None:
    assert sandbox.exec(["true"], stdin=b"x" * 500_000).exit_code == 0


def test_environment_and_directory(client: Client) -> None:
    with client.create("debian", env={"A": "sandbox", "B": "b"}) as sandbox:
        result = sandbox.exec("echo $A $B $C; pwd", env={"A": "exec", "C": "c d"}, cwd="/tmp")
        assert result.stdout == "exec b c d\n/tmp\n"
        assert sandbox.exec(["pwd"]).stdout == "/app\n"
        names = sandbox.exec(["env"]).stdout
        assert "ORKEE_" not in names, "the daemon's own variables are not the user's"
        assert "OTEL_" not in names


def test_a_timeout_ends_the_command_and_says_so(sandbox: Sandbox) -> None:
    result = sandbox.exec("echo before; sleep 60", timeout=0.3)
    assert (result.timed_out, result.stdout) == (True, "before\n")
    assert (result.exit_code, result.signal) == (143, "TERM")
    assert result.duration < 5
    assert sandbox.exec(["true"]).ok


def test_a_signal_that_ended_the_command_is_named(sandbox: Sandbox) -> None:
    result = sandbox.exec(["sh", "-c", "kill -9 $$"])
    assert (result.exit_code, result.signal) == (137, "KILL")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["no-such-program"], "command_not_found"),
        (["/etc/passwd"], "command_not_executable"),
    ],
)
def test_a_command_that_cannot_run_is_an_error(
    sandbox: Sandbox, command: list[str], code: str
) -> None:
    with pytest.raises(OrkeeError) as caught:
        sandbox.exec(command)
    assert caught.value.code == code
    assert caught.value.remedy


def test_a_directory_that_is_not_there_is_an_error(sandbox: Sandbox) -> None:
    with pytest.raises(OrkeeError) as caught:
        sandbox.exec(["true"], cwd="/no/such/folder")
    assert caught.value.code == "invalid_directory"


def test_a_large_output_arrives_byte_for_byte(sandbox: Sandbox) -> None:
    count = 30_000_000
    result = sandbox.exec(f"head -c {count} /usr/bin/perl /usr/bin/* | head -c {count} | tee copy")
    assert len(result.stdout_bytes) == count
    digest = hashlib.sha256(result.stdout_bytes).hexdigest()
    assert sandbox.exec("sha256sum < copy").stdout.split()[0] == digest


def test_output_comes_while_the_command_runs(sandbox: Sandbox) -> None:
    with sandbox.stream("echo first; until [ -e go ]; do sleep 0.05; done; echo last") as stream:
        assert next(stream) == ("stdout", b"first\n")
        assert stream.exit is None
        sandbox.exec(["touch", "go"])
        assert list(stream) == [("stdout", b"last\n")]
    assert stream.exit_code == 0


def test_leaving_a_stream_ends_its_command(sandbox: Sandbox) -> None:
    with sandbox.stream("echo on; exec sleep 4711") as stream:
        assert next(stream) == ("stdout", b"on\n")
        until(lambda: "sleep 4711" in commands_in(sandbox.id), 5)
    until(lambda: "sleep 4711" not in commands_in(sandbox.id), 5)
    assert sandbox.exec(["true"]).ok


def test_a_reader_that_does_not_read_holds_the_command_not_the_server(
    sandbox: Sandbox, server: Server
) -> None:
    with sandbox.stream("yes") as flood:
        next(flood)
        begin = time.monotonic()
        assert sandbox.exec(["echo", "free"]).stdout == "free\n"
        assert time.monotonic() - begin < 3
        memory = resident(server.pid)
        for _ in range(20):
            sandbox.exec(["true"])
        assert resident(server.pid) - memory < 30_000, "kB that pile up in the server"


def resident(pid: int) -> int:
    """Return the kB of memory that a process has."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
