"""Commands and logs: what streams, and what happens when a stream breaks."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from orkee_jupyter.client import OrkeeError, Sandbox
from orkee_jupyter.client._sync import streams

from .stub_server import StubServer


@pytest.fixture
def sandbox(stub: StubServer) -> Sandbox:
    return Sandbox.get(stub.add()["id"])


def entry(seq: int, text: str | bytes, stream: str = "stdout") -> dict[str, Any]:
    """Return a line of a log's stream."""
    line = {"seq": seq, "time": 1.5, "stream": stream}
    if isinstance(text, bytes):
        return {**line, "base64": base64.b64encode(text).decode()}
    return {**line, "text": text}


def test_exec_returns_output_apart_exit_code_and_duration(sandbox: Sandbox) -> None:
    result = sandbox.exec(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (result.exit_code, result.stdout, result.stderr) == (3, "out\n", "err\n")
    assert (result.duration, result.signal, result.timed_out, result.ok) == (
        0.25,
        None,
        False,
        False,
    )


def test_exec_runs_text_by_a_shell_with_environment_and_directory(sandbox: Sandbox) -> None:
    result = sandbox.exec("echo $A; pwd", env={"A": "b c"}, cwd="/")
    assert result.stdout == "b c\n/\n"


@pytest.mark.parametrize("stdin", ["héllo", b"\x00\xff\n"])
def test_exec_hands_on_standard_input_byte_exact(sandbox: Sandbox, stdin: str | bytes) -> None:
    expected = stdin if isinstance(stdin, bytes) else stdin.encode()
    assert sandbox.exec(["cat"], stdin=stdin).stdout_bytes == expected


def test_output_that_is_not_text_shows_replaced_and_stays_exact(sandbox: Sandbox) -> None:
    result = sandbox.exec("printf '\\377a'")
    assert (result.stdout, result.stdout_bytes) == ("\ufffda", b"\xffa")


def test_exec_tells_output_as_it_comes(sandbox: Sandbox) -> None:
    seen: list[tuple[str, bytes]] = []
    sandbox.exec("echo out; echo err >&2", on_output=lambda *piece: seen.append(piece))
    assert sorted(seen) == [("stderr", b"err\n"), ("stdout", b"out\n")]


def test_exec_tells_a_timeout_and_a_signal(sandbox: Sandbox) -> None:
    result = sandbox.exec(["sleep", "60"], timeout=0.05)
    assert (result.exit_code, result.signal, result.timed_out) == (143, "TERM", True)


def test_a_command_that_is_not_there_raises(sandbox: Sandbox) -> None:
    with pytest.raises(OrkeeError) as caught:
        sandbox.exec(["no-such-command"])
    assert caught.value.code == "command_not_found"


def test_a_stream_left_early_ends_its_command(stub: StubServer, sandbox: Sandbox) -> None:
    with sandbox.stream("echo first; exec sleep 600") as stream:
        assert next(stream) == ("stdout", b"first\n")
        assert stream.pid is not None
        assert stream.exit_code is None
    assert stub.exec_ended.wait(10)


def test_a_stream_holds_its_exit_afterwards(sandbox: Sandbox) -> None:
    stream = sandbox.stream("exit 4")
    assert list(stream) == []
    assert stream.exit_code == 4


def test_a_command_whose_connection_breaks_raises(stub: StubServer, sandbox: Sandbox) -> None:
    stub.break_exec = True
    with pytest.raises(OrkeeError) as caught:
        sandbox.exec(["sleep", "60"])
    assert caught.value.code == "server_unreachable"


def test_lines_are_joined_and_streams_assembled_apart(stub: StubServer, sandbox: Sandbox) -> None:
    stub.logs = [
        entry(1, "one\ntw"), entry(2, "err", "stderr"), entry(3, "o\n\nhal\u2028f"),
        entry(4, b"\xc3", "stderr"), entry(5, b"\xa9\n", "stderr"),
    ]  # fmt: skip
    assert list(sandbox.logs()) == ["one", "two", "", "erré", "hal\u2028f"]


def test_missing_bytes_are_said(stub: StubServer, sandbox: Sandbox) -> None:
    stub.logs = [entry(1, "part"), {"seq": 5, "stream": "dropped", "bytes": 99}, entry(6, "x\n")]
    assert list(sandbox.logs()) == ["part", "[99 bytes of the log are missing here]", "x"]


def test_log_entries_are_raw_and_tell_why_they_ended(stub: StubServer, sandbox: Sandbox) -> None:
    stub.logs = [entry(1, b"\xff"), entry(2, "b")]
    entries = sandbox.log_entries(follow=True)
    assert [(e.seq, e.time, e.stream, e.data) for e in entries] == [
        (1, 1.5, "stdout", b"\xff"),
        (2, 1.5, "stdout", b"b"),
    ]
    assert entries.end == "exited"


def test_a_follower_resumes_behind_its_last_entry(
    stub: StubServer, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "FIRST_PAUSE", 0.001)
    stub.logs = [entry(number, f"{number}\n") for number in range(1, 10)]
    stub.break_log_after = [3, 0, 2]
    assert list(sandbox.logs(follow=True, tail=8, since=1.0)) == [str(n) for n in range(2, 10)]
    asked = [uri.partition("?")[2] for _, uri, _ in stub.requests if "/logs" in uri]
    assert asked == ["follow=1&tail=8&since=1.0", "follow=1&after=4", "follow=1&after=4",
                     "follow=1&after=6"]  # fmt: skip


def test_a_follower_gives_up_in_the_end(
    stub: StubServer, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "FIRST_PAUSE", 0.001)
    stub.logs = [entry(1, "1\n"), entry(2, "2\n")]
    stub.break_log_after = [1] + [0] * 20
    with pytest.raises(OrkeeError) as caught:
        list(sandbox.logs(follow=True))
    assert caught.value.code == "server_unreachable"
    assert len(stub.break_log_after) == 20 - streams.RETRIES


def test_leaving_a_followed_log_closes_its_connection(stub: StubServer, sandbox: Sandbox) -> None:
    stub.logs, stub.log_end = [entry(1, "1\n")], None
    lines = sandbox.logs(follow=True)
    assert next(lines) == "1"
    lines.close()
    assert stub.log_left.wait(10)


def test_a_million_lines_arrive_byte_exact(stub: StubServer, sandbox: Sandbox) -> None:
    text = "".join(f"line {number}\n" for number in range(1_000_000))
    pieces = [text[start : start + 16384] for start in range(0, len(text), 16384)]
    stub.logs = [entry(number, piece) for number, piece in enumerate(pieces, 1)]
    assert b"".join(e.data for e in sandbox.log_entries()) == text.encode()
    assert "\n".join([*sandbox.logs(), ""]) == text
