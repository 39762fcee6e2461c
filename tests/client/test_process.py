"""``popen``, ``run`` and ``exec`` with more than a request can carry, on both ways in."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator

import pytest

from orkee_jupyter.client import Client, OrkeeError, Sandbox

from .stub_server import TOKEN, StubServer

TRAP = "trap 'echo heard; exit 7' INT; echo ready; while :; do sleep 0.05; done"


@pytest.fixture(params=["unix", "tcp"])
def sandbox(request: pytest.FixtureRequest, stub: StubServer) -> Iterator[Sandbox]:
    data = stub.add(name="web")
    client = Client() if request.param == "unix" else Client(stub.url, TOKEN)
    with client:
        yield client.get(data["id"])


def test_output_comes_while_the_command_runs(sandbox: Sandbox) -> None:
    with sandbox.popen("echo one; read x; echo $x >&2; exit 3", stdin=True) as process:
        assert next(process) == ("stdout", b"one\n")
        assert process.pid > 0
        process.write("two\n")
        assert list(process) == [("stderr", b"two\n")]
    assert process.exit_code == 3


def test_text_keeps_characters_whole(sandbox: Sandbox) -> None:
    script = r"printf '\303'; sleep 0.1; printf '\244'; sleep 0.1; printf '\303'"
    with sandbox.popen(script, text=True) as process:
        assert list(process) == [("stdout", "ä"), ("stdout", "\ufffd")]


def test_a_signal_reaches_the_command(sandbox: Sandbox) -> None:
    with sandbox.popen(TRAP) as process:
        assert next(process) == ("stdout", b"ready\n")
        process.signal("INT")
        assert process.wait().exit_code == 7


def test_a_signal_passes_stdin_that_waits(sandbox: Sandbox) -> None:
    with sandbox.popen(["sleep", "60"], stdin=b"x" * 5_000_000) as process:
        process.kill()
        assert process.wait().signal == "KILL"


def test_leaving_ends_the_command(sandbox: Sandbox, stub: StubServer) -> None:
    with sandbox.popen(["sleep", "60"]):
        pass
    assert stub.exec_ended.wait(5)


def test_a_read_can_have_a_deadline_and_go_on(sandbox: Sandbox) -> None:
    with sandbox.popen("sleep 3; echo late") as process:
        with pytest.raises(TimeoutError):
            process.read(0.05)
        assert process.read() == ("stdout", b"late\n")
        assert process.read() is None


def test_a_timeout_is_told(sandbox: Sandbox) -> None:
    end = sandbox.popen(["sleep", "60"], timeout=0.1).wait()
    assert (end.timed_out, end.exit_code) == (True, 143)


@pytest.mark.parametrize("code", ["command_not_found", "sandbox_not_active", "sandbox_not_found"])
def test_what_cannot_start_is_raised(stub: StubServer, code: str) -> None:
    sandbox = Sandbox.get(stub.add(status="active" if "command" in code else "paused")["id"])
    if code == "sandbox_not_found":
        stub.sandboxes.clear()
    with pytest.raises(OrkeeError) as caught:
        sandbox.popen(["no-such-command"])
    assert caught.value.code == code


def test_a_sandbox_that_ends_first_is_told_at_once(sandbox: Sandbox, stub: StubServer) -> None:
    stub.lose_exec = True
    with pytest.raises(OrkeeError) as caught:
        sandbox.popen("echo out").wait()
    assert (caught.value.code, caught.value.cause) == ("sandbox_lost", "The sandbox was stopped.")


def test_a_server_that_dies_is_told(sandbox: Sandbox, stub: StubServer) -> None:
    stub.break_exec = True
    with pytest.raises(OrkeeError) as caught:
        sandbox.popen(["sleep", "60"]).wait()
    assert caught.value.code == "server_unreachable"


def test_a_wrong_token_is_told(stub: StubServer) -> None:
    data = stub.add()
    with Client(stub.url, TOKEN) as good, Client(stub.url, "wrong") as bad:
        sandbox = good.get(data["id"])
        sandbox._connection = bad.connection
        with pytest.raises(OrkeeError) as caught:
            sandbox.popen(["true"])
    assert caught.value.code == "forbidden"


def test_stdin_can_be_larger_than_a_body(sandbox: Sandbox) -> None:
    assert sandbox.exec(["wc", "-c"], stdin=b"x" * 3_000_000).stdout.strip() == "3000000"


def test_stdin_can_be_a_file_or_an_iterator(sandbox: Sandbox) -> None:
    assert sandbox.exec(["cat"], stdin=io.BytesIO(b"file")).stdout == "file"
    assert sandbox.exec(["cat"], stdin=(f"{n} " for n in range(3))).stdout == "0 1 2 "


def test_what_a_source_of_stdin_raises_is_raised(sandbox: Sandbox) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        sandbox.exec(["cat"], stdin=broken())


def test_a_command_that_does_not_read_its_stdin_ends_all_the_same(sandbox: Sandbox) -> None:
    result = sandbox.exec(["true"], stdin=(b"x" * 65536 for _ in range(100)))
    assert result.ok


def test_lines_are_called_for_with_streams_apart(sandbox: Sandbox) -> None:
    lines: list[tuple[str, str]] = []
    script = "printf 'a\\nb'; sleep 1; printf 'x\\n' >&2; sleep 1; echo c; printf end"
    sandbox.exec(script, on_line=lambda stream, line: lines.append((stream, line)))
    assert lines == [("stdout", "a"), ("stderr", "x"), ("stdout", "bc"), ("stdout", "end")]


def test_check_raises_with_exit_code_and_last_lines(sandbox: Sandbox) -> None:
    with pytest.raises(OrkeeError) as caught:
        sandbox.exec("seq 100 >&2; exit 4", check=True)
    assert caught.value.code == "command_failed"
    assert caught.value.details["exit_code"] == 4
    assert caught.value.details["lines"] == [str(number) for number in range(81, 101)]
    assert sandbox.exec("exit 0", check=True).ok


def test_run_names_the_line_of_a_traceback(sandbox: Sandbox) -> None:
    result = sandbox.run("def f():\n    return 1 / 0\nf()", "python")
    lines = result.stderr.splitlines()
    assert lines[1:5] == [
        '  File "<cell>", line 3, in <module>',
        "    f()",
        '  File "<cell>", line 2, in f',
        "    return 1 / 0",
    ]
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_run_leaves_stdin_and_names_to_the_code(sandbox: Sandbox) -> None:
    code = "import sys\nprint(sys.stdin.read(), __name__, sys.argv, sorted(globals()))"
    result = sandbox.run(code, "python", stdin="in")
    names = ["__annotations__", "__builtins__", "__doc__", "__loader__", "__name__"]
    assert result.stdout.split("]", 1)[0] == "in __main__ ['-c'"
    assert result.stdout.strip().endswith(str([*names, "__package__", "__spec__", "sys"]))


@pytest.mark.parametrize("lang", ["bash", "sh", "python"])
def test_run_takes_code_that_is_longer_than_an_argument(sandbox: Sandbox, lang: str) -> None:
    code = "\n" * 200_000 + ("print('end')" if lang == "python" else "echo end")
    assert sandbox.run(code, lang).stdout == "end\n"


def test_run_uses_the_language_of_the_template(sandbox: Sandbox) -> None:
    sandbox.data["template"] = "python"
    assert sandbox.run("print(6 * 7)").stdout == "42\n"
    sandbox.data.update(template="mine", image="registry/python:3.12")
    assert sandbox.run("print(6 * 7)").stdout == "42\n"
    sandbox.data["image"] = "alpine"
    assert sandbox.run("echo $((6 * 7))").stdout == "42\n"


def test_run_says_which_language_or_program_is_missing(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OrkeeError, match="no language 'cobol'"):
        sandbox.run("x", "cobol")
    with pytest.raises(OrkeeError, match="has no Rscript") as caught:
        sandbox.run("x", "r")
    assert caught.value.code == "command_not_found"


def test_closing_from_another_thread_ends_a_wait(sandbox: Sandbox) -> None:
    process = sandbox.popen(["sleep", "60"])
    threading.Timer(0.2, process.close).start()
    began = time.monotonic()
    with pytest.raises(OrkeeError):
        process.wait()
    assert time.monotonic() - began < 5


def test_background_commands_are_listed_attached_to_and_signalled(sandbox: Sandbox) -> None:
    started = sandbox.detach(["sleep", "9"])
    (listed,) = sandbox.processes()
    assert (started.pid, listed.pid, listed.kind, listed.exit) == (71, 71, "detached", None)
    listed.signal("INT")
    with started.attach() as stream:
        assert list(stream) == [
            ("stderr", b"[12 bytes are missing here]\n"),
            ("stdout", b"kept\n"),
        ]
        assert stream.exit_code == 3
    with pytest.raises(OrkeeError) as caught:
        sandbox.process(5).signal()
    assert caught.value.code == "process_not_found"
