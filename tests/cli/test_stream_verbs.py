"""``orkee sandbox exec`` and ``logs``: bytes, exit codes, interrupts."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from typing import Any

import pytest

from tests.client.stub_server import StubServer
from tests.client.test_streams import entry
from tests.progress import quiet

from .conftest import Orkee


@pytest.fixture
def ref(stub: StubServer) -> str:
    return str(stub.add(name="web")["id"])


def start(*words: str, **options: Any) -> subprocess.Popen[bytes]:
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **options}
    return subprocess.Popen(
        [sys.executable, "-m", "orkee_jupyter.cli", *words], stderr=subprocess.PIPE, **options
    )


def test_exec_keeps_bytes_streams_and_exit_code(orkee: Orkee, ref: str) -> None:
    script = "printf '\\377\\0a'; printf err >&2; exit 42"
    done = orkee("sandbox", "exec", ref, "--", "sh", "-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (42, b"\xff\x00a", b"err")


def test_exec_pipes_standard_input_through(orkee: Orkee, ref: str) -> None:
    data = bytes(range(256)) * 1000
    assert orkee("sandbox", "exec", "web", "--", "cat", stdin=data).stdout == data
    done = orkee("sandbox", "exec", "--no-stdin", "web", "--", "cat", stdin=b"x")
    assert done.stdout == b""


def test_exec_takes_environment_directory_and_flags_of_the_command(orkee: Orkee, ref: str) -> None:
    done = orkee(
        *("sandbox", "exec", ref, "--env", "A=1", "--cwd", "/", "--"),
        *("sh", "-c", 'echo $A $PWD "$@"', "sh", "--json", "--", "-x"),
    )
    assert done.stdout == b"1 / --json -- -x\n"


def test_exec_takes_a_command_without_dashes(orkee: Orkee, ref: str) -> None:
    assert orkee("sandbox", "exec", ref, "echo", "hi").stdout == b"hi\n"


def test_exec_tells_its_own_failure_by_125(orkee: Orkee, ref: str) -> None:
    done = orkee("sandbox", "exec", ref, "--", "no-such-command")
    assert done.returncode == 125
    assert b"error [command_not_found]" in done.stderr
    assert orkee("sandbox", "exec", "nope", "--", "true").returncode == 125


def test_exec_as_json_gives_the_result_or_the_problem(orkee: Orkee, ref: str) -> None:
    done = orkee("sandbox", "exec", ref, "--json", "--", "sh", "-c", "echo a; exit 3")
    assert done.returncode == 3
    result = json.loads(done.stdout)
    assert (result["stdout"], result["exit_code"], result["signal"]) == ("a\n", 3, None)
    done = orkee("sandbox", "exec", ref, "--json", "--", "no-such-command")
    assert json.loads(done.stdout)["code"] == "command_not_found"


def test_exec_ends_at_its_timeout(orkee: Orkee, ref: str) -> None:
    done = orkee("sandbox", "exec", ref, "--timeout", "0.1", "--", "sleep", "60")
    assert (done.returncode, done.stderr) == (143, b"The command was ended at its timeout.\n")


def test_an_interrupt_ends_the_command(stub: StubServer, ref: str) -> None:
    with start("sandbox", "exec", ref, "--", "sh", "-c", "echo on; exec sleep 600") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, quiet(errors)) == (130, b"")
    assert stub.exec_ended.wait(10)


def test_a_reader_that_has_enough_is_no_error(stub: StubServer, ref: str) -> None:
    stub.logs = [entry(n, "x" * 9999 + "\n") for n in range(1, 200)]
    with start("sandbox", "logs", ref) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert quiet(process.stderr.read()) == b""
    assert process.returncode == 141


def test_logs_are_byte_exact_and_apart(orkee: Orkee, stub: StubServer, ref: str) -> None:
    stub.logs = [entry(1, b"\xff\n"), entry(2, "e", "stderr"), entry(3, "b")]
    done = orkee("sandbox", "logs", ref)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"\xff\nb", b"e")


def test_logs_follow_tail_and_since_are_handed_on(orkee: Orkee, stub: StubServer, ref: str) -> None:
    orkee("sandbox", "logs", ref, "-f", "--tail", "5", "--since", "1700000000")
    assert stub.requests[-1][1].endswith("/logs?follow=1&tail=5&since=1700000000.0")
    assert orkee("sandbox", "logs", ref, "--since", "yesterday").returncode == 1


def test_logs_as_json_are_entries_one_a_line(orkee: Orkee, stub: StubServer, ref: str) -> None:
    stub.logs = [
        entry(1, "a\n"), entry(2, b"\xff"), {"seq": 5, "time": 2.0, "stream": "dropped", "bytes": 7}
    ]  # fmt: skip
    lines = orkee("sandbox", "logs", ref, "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == stub.logs


def test_a_followed_log_is_left_by_an_interrupt(stub: StubServer, ref: str) -> None:
    stub.logs, stub.log_end = [entry(1, "one\n")], None
    with start("sandbox", "logs", ref, "-f") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"one\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, quiet(errors)) == (130, b"")


def test_a_terminal_is_not_read_as_input(stub: StubServer, ref: str) -> None:
    ours, theirs = pty.openpty()
    try:
        with start("sandbox", "exec", ref, "--", "cat", stdin=theirs) as process:
            output, _ = process.communicate(timeout=20)
    finally:
        os.close(ours)
        os.close(theirs)
    assert (process.returncode, output) == (0, b"")
