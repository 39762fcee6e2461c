"""``%%sandbox run`` and ``python`` in a real shell; the stub's sandboxes are this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from orkee_jupyter.client import OrkeeError
from orkee_jupyter.magics.errors import InnerError
from orkee_jupyter.magics.magics import SandboxMagics
from tests.client.stub_server import StubServer


@pytest.fixture(autouse=True)
def _web(stub: StubServer) -> None:
    stub.add(name="web", template="debian", image="debian:bookworm-slim")


@pytest.fixture(params=["built-in", "ipykernel"])
def python(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make ``python3`` one without any package, or the one that has an ipykernel."""
    plain = f'exec {sys._base_executable} -I -S "$@"'  # type: ignore[attr-defined]
    whole = f'exec {sys.executable} "$@"'
    program = tmp_path / "python3"
    # An ipykernel that takes itself for tested looks at no descriptors.
    program.write_text(
        f"#!/bin/sh\nunset PYTEST_CURRENT_TEST\n{plain if request.param == 'built-in' else whole}\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return str(request.param)


def cell(shell: InteractiveShell, text: str) -> Any:
    """Run a cell and return what it returned; raises what it raised."""
    result = shell.run_cell(text)
    if result.error_in_exec is not None:
        raise result.error_in_exec
    return result.result


# -- run ---------------------------------------------------------------------------------------


def test_the_text_runs_and_the_exit_code_comes_back(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    code = cell(
        shell, "%%sandbox run web --lang sh --env A=b --cwd /\necho $A $PWD\necho e >&2\nexit 3"
    )
    assert code == 3
    out, err = capsys.readouterr()
    assert "b /\n" in out
    assert err == "e\n"


def test_stdout_goes_into_a_variable(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    cell(shell, "%%sandbox run web --into found\nprintf 'a\\nä'; echo seen >&2")
    assert shell.user_ns["found"] == "a\nä"
    assert capsys.readouterr().err == "seen\n"


@pytest.mark.parametrize("by", ["flag", "setting"])
def test_a_failing_code_fails_the_cell_where_that_is_the_rule(
    shell: InteractiveShell, by: str
) -> None:
    if by == "setting":
        shell.run_line_magic("config", "SandboxMagics.check = True")
    flag = "--check" if by == "flag" else ""
    with pytest.raises(OrkeeError) as caught:
        cell(shell, f"%%sandbox run web {flag}\nexit 7")
    assert (caught.value.code, caught.value.details["exit_code"]) == ("command_failed", 7)
    assert cell(shell, f"%%sandbox run web {flag}\nexit 0") == 0
    if by == "setting":
        assert cell(shell, "%%sandbox run web --no-check\nexit 7") == 7


def test_without_a_sandbox_one_is_made_and_used_again(
    shell: InteractiveShell, stub: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    cell(shell, "%%sandbox run --lang bash\necho one")
    assert "Made sandbox 000200020002 from the template debian" in capsys.readouterr().err
    cell(shell, "%%sandbox run\necho two")
    cell(shell, "%%sandbox run --lang sh\necho three")
    assert capsys.readouterr().err == ""
    assert len(stub.sandboxes) == 2
    stub.find("00020002")["status"] = "terminated"
    cell(shell, "%%sandbox run\necho four")
    assert "Made sandbox 000300030003" in capsys.readouterr().err


def test_a_timeout_is_said(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    assert cell(shell, "%%sandbox run web --timeout 0.2\nsleep 60") == 143
    assert "[orkee] Ended at its timeout of 0.2 s." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("run web --into 1x", "no name of a variable"),
        ("run web --timeout soon", "not a number of seconds"),
        ("run web --lang cobol", "no language 'cobol'"),
        ("runn web", 'no sub-command "runn"'),
        ("exec web -- ls", 'no sub-command "exec"'),
        ("run nope", "no sandbox nope"),
        ("run web more", 'does not expect "more"'),
        ("python web --lang x", "no option `--lang`"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(shell: InteractiveShell, line: str, cause: str) -> None:
    with pytest.raises(OrkeeError, match=cause):
        cell(shell, f"%%sandbox {line}\nx")


def test_help_knows_the_verbs_of_cells(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    cell(shell, "%sandbox help run")
    assert "Usage: %%sandbox run [ID] [--lang LANGUAGE]" in capsys.readouterr().out
    cell(shell, "%sandbox help")
    assert "%%sandbox python lab" in capsys.readouterr().out


# -- python ------------------------------------------------------------------------------------


def outputs(shell: InteractiveShell, text: str) -> Any:
    """Run a cell and return what it showed."""
    with capture_output() as captured:
        cell(shell, text)
    return captured


def test_state_is_kept_and_the_last_value_shown(shell: InteractiveShell, python: str) -> None:
    first = outputs(shell, "%%sandbox python web\nx = 40\nprint('hi')\nx + 1")
    assert python in first.stderr
    assert first.stdout == "hi\n"
    assert [each.data["text/plain"] for each in first.outputs] == ["41"]
    second = outputs(shell, "%%sandbox python web\nx += 2\nx")
    assert (second.stderr, second.outputs[0].data["text/plain"]) == ("", "42")


def test_rich_values_are_shown_as_what_a_notebook_may_show(
    shell: InteractiveShell, python: str
) -> None:
    found = outputs(
        shell,
        "%%sandbox python web\n"
        "class Table:\n    def _repr_html_(self): return '<table></table><script>x</script>'\n"
        "class Picture:\n    def _repr_png_(self): return b'\\x89PNG\\r\\n\\x1a\\n'\n"
        "print('before')\ndisplay(Table())\nprint('after')\nPicture()",
    )
    table, picture = (each.data for each in found.outputs)
    assert table["text/html"].startswith('<iframe sandbox="" ')
    assert "<script>" not in table["text/html"]
    assert picture["image/png"].strip() == "iVBORw0KGgo="
    assert found.stdout == "before\nafter\n"


def test_a_flood_of_values_is_bounded(
    shell: InteractiveShell, python: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = outputs(shell, "%%sandbox python web\nfor n in range(1000): display(n)\nprint('end')")
    assert len(found.outputs) == 200
    assert found.stderr.count("as much as a cell carries") == 1
    assert found.stdout == "end\n"


def test_an_error_inside_fails_the_cell_with_its_traceback(
    shell: InteractiveShell, python: str
) -> None:
    with pytest.raises(InnerError) as caught:
        cell(shell, "%%sandbox python web\ndef f():\n    return 1 / 0\nf()")
    assert str(caught.value) == "ZeroDivisionError: division by zero"
    text = "\n".join(caught.value._render_traceback_())
    assert "ZeroDivisionError" in text
    assert "bridge" not in text
    assert outputs(shell, "%%sandbox python web\n1").outputs[0].data["text/plain"] == "1"


def test_what_a_child_process_prints_is_shown(shell: InteractiveShell, python: str) -> None:
    found = outputs(
        shell,
        "%%sandbox python web\nimport subprocess, sys\n"
        "_ = subprocess.run(['sh', '-c', 'echo out; echo err >&2'])",
    )
    assert "out\n" in found.stdout
    assert "err\n" in found.stderr


def test_top_level_await_works(shell: InteractiveShell, python: str) -> None:
    found = outputs(shell, "%%sandbox python web\nimport asyncio\nawait asyncio.sleep(0, 'done')")
    assert found.outputs[0].data["text/plain"] == "'done'"


def test_restart_forgets_and_an_end_is_told(shell: InteractiveShell, python: str) -> None:
    outputs(shell, "%%sandbox python web\nx = 1")
    with pytest.raises(InnerError, match="NameError"):
        cell(shell, "%%sandbox python web --restart\nx")
    with pytest.raises(OrkeeError, match="interpreter in the sandbox has ended"):
        cell(
            shell,
            "%%sandbox python web\nimport os, signal\nos.kill(os.getppid(), 9); os._exit(4)"
            if python == "ipykernel"
            else "%%sandbox python web\nimport os\nos._exit(4)",
        )
    assert python in outputs(shell, "%%sandbox python web\n1").stderr


def test_a_sandbox_without_python_is_told_so(
    shell: InteractiveShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OrkeeError, match="has no Python"):
        cell(shell, "%%sandbox python web\n1")


# -- processes -----------------------------------------------------------------------------------


def test_background_commands_are_started_listed_attached_to_and_signalled(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    started = cell(shell, "%sandbox exec -d web -- sleep 9")
    assert started.pid == 71
    listed = cell(shell, "%sandbox ps web")
    assert "detached" in listed._repr_mimebundle_()["text/plain"]
    capsys.readouterr()
    assert cell(shell, "%sandbox attach web 71") == 3
    assert capsys.readouterr().out.startswith("kept\n")
    cell(shell, "%sandbox kill web 71 --signal sigint")
    assert "Sent SIGINT to process 71 of sandbox web." in capsys.readouterr().err
    with pytest.raises(OrkeeError, match="no such process"):
        cell(shell, "%sandbox kill web 72")
    with pytest.raises(OrkeeError, match="is no PID"):
        cell(shell, "%sandbox kill web x")


def test_the_setting_is_one_of_ipythons(shell: InteractiveShell) -> None:
    assert "check" in SandboxMagics.class_own_traits(config=True)
