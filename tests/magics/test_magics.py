"""The magics in a real IPython shell, on a stub server over a real socket."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell

from orkee_jupyter import load_ipython_extension
from orkee_jupyter.client import OrkeeError, Sandbox
from orkee_jupyter.magics.errors import SandboxError
from orkee_jupyter.magics.magics import unload
from tests.client.stub_server import StubServer


def run(shell: InteractiveShell, line: str) -> object:
    return shell.run_line_magic("sandbox", line)


def fails(shell: InteractiveShell, line: str) -> SandboxError:
    with pytest.raises(SandboxError) as caught:
        run(shell, line)
    return caught.value


def test_create_hands_everything_on_and_returns_the_sandbox(
    shell: InteractiveShell, stub: StubServer
) -> None:
    shell.user_ns["code"] = 'print("a b")'
    sandbox = run(
        shell,
        "create python --name app --port 3000 --env A=1 --label k=v --ttl 30m -- py -c {code}",
    )
    assert isinstance(sandbox, Sandbox)
    _, _, body = stub.requests[-1]
    assert body == {
        "template": "python", "name": "app", "ports": [3000], "env": {"A": "1"},
        "labels": {"k": "v"}, "ttl": "30m", "command": ["py", "-c", 'print("a b")'],
    }  # fmt: skip


def test_a_sandbox_is_found_by_id_prefix_name_variable_and_underscore(
    shell: InteractiveShell, stub: StubServer
) -> None:
    sandbox = stub.add(name="web")
    run(shell, f"logs {sandbox['id']}")
    run(shell, "logs 0001")
    run(shell, "logs web")
    run(shell, "logs _")
    shell.user_ns["box"] = Sandbox.get("web")
    for word in ("box", "$box", "{box}", "{box.name}"):
        run(shell, f"logs {word}")
    logs = [uri for _, uri, _ in stub.requests if uri.endswith("/logs")]
    assert logs == [f"/orkee/api/sandbox/{sandbox['id']}/logs"] * 8


def test_underscore_without_a_sandbox_says_so(shell: InteractiveShell) -> None:
    assert "No sandbox was used" in fails(shell, "logs _").cause


def test_exec_streams_apart_and_returns_the_exit_code(
    shell: InteractiveShell, stub: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.add(name="web")
    code = run(shell, "exec web -- sh -c 'echo out; echo err >&2; exit 3'")
    assert code == 3
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("out\n", "err\n")


def test_exec_of_what_is_not_there_is_a_clear_error(
    shell: InteractiveShell, stub: StubServer
) -> None:
    stub.add(name="web")
    error = fails(shell, "exec web -- no-such-program")
    assert error.code == "command_not_found"
    assert error._render_traceback_() == [
        "\x1b[31mno-such-program is not in the image.\x1b[0m",
        "Install it. [command_not_found]",
    ]


def test_a_broken_exec_is_an_error_not_an_exit_code(
    shell: InteractiveShell, stub: StubServer
) -> None:
    stub.add(name="web")
    stub.break_exec = True
    assert fails(shell, "exec web -- sleep 60").code == "server_unreachable"


def test_logs_show_tail_and_losses(
    shell: InteractiveShell, stub: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.add(name="web")
    stub.logs = [
        {"seq": 1, "time": 1.0, "stream": "stdout", "text": "old\n"},
        {"seq": 2, "time": 1.0, "stream": "dropped", "bytes": 5000},
        {"seq": 3, "time": 1.0, "stream": "stdout", "base64": "/w=="},
    ]
    assert run(shell, "logs web --tail 2") is None
    captured = capsys.readouterr()
    assert captured.out == "\ufffd"
    assert "5.0 kB of the log were lost here" in captured.err


def test_a_followed_log_says_why_it_ended(
    shell: InteractiveShell, stub: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.add(name="web", exit_code=2)
    run(shell, "logs web -f")
    assert "the command ended with exit code 2" in capsys.readouterr().err


def test_list_shows_the_live_ones_and_all_shows_all(
    shell: InteractiveShell, stub: StubServer
) -> None:
    stub.add(name="a", labels={"k": "v"})
    stub.add(name="b", status="terminated")
    assert [s.name for s in run(shell, "list")] == ["a"]
    assert [s.name for s in run(shell, "ls --all")] == ["a", "b"]
    assert [s.name for s in run(shell, "ls --status terminated")] == ["b"]
    assert run(shell, "ls --label k=w") == []


def test_stop_ends_those_named_and_none_if_one_is_unknown(
    shell: InteractiveShell, stub: StubServer
) -> None:
    for name in ("a", "b", "c"):
        stub.add(name=name)
    assert fails(shell, "stop a nope").code == "sandbox_not_found"
    assert len(run(shell, "list")) == 3
    assert [s.status for s in run(shell, "stop a b")] == ["terminated", "terminated"]
    assert [s.name for s in run(shell, "stop --all")] == ["c"]
    assert run(shell, "list") == []


@pytest.mark.parametrize("line", ["stop", "stop --all web"])
def test_stop_needs_one_of_both(shell: InteractiveShell, line: str) -> None:
    assert fails(shell, line).code == "invalid_request"


def test_clean_engine_and_templates_return_values(
    shell: InteractiveShell, stub: StubServer
) -> None:
    stub.add(name="old", labels={"expired": "yes"})
    assert [s.name for s in run(shell, "clean")] == ["old"]
    assert run(shell, "engine")["chosen"] == "native"
    assert run(shell, "templates")[0]["name"] == "node"


def test_a_failed_create_shows_what_the_command_said_last(
    shell: InteractiveShell, stub: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    details = {"lines": ["\x1b]0;x\x07boom", "bye"], "exit_code": 1}
    stub.fail_create = OrkeeError("command_exited", "It ended at once.", "See.", details=details)
    assert fails(shell, "create node -- false").details["exit_code"] == 1
    assert capsys.readouterr().err == "boom\nbye\n"


def test_help_prints_and_an_unknown_page_is_an_error(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "")
    run(shell, "help logs")
    assert "Usage: %sandbox logs ID" in capsys.readouterr().out
    assert fails(shell, "help nope").code == "invalid_request"


def test_an_error_cuts_off_run_all_without_a_traceback(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    result = shell.run_cell("%sandbox crate\nprint('not reached')")
    assert isinstance(result.error_in_exec, SandboxError)
    out = capsys.readouterr().out
    assert "Did you mean `create`? [invalid_request]" in out
    assert "Traceback" not in out
    assert "not reached" not in out


def test_the_extension_is_loaded_and_unloaded(shell: InteractiveShell) -> None:
    load_ipython_extension(shell)
    assert shell.find_line_magic("sandbox")
    unload(shell)
    unload(shell)
    assert shell.find_line_magic("sandbox") is None
