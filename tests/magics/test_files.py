"""Files in and out by magics, in a real IPython shell on a stub server."""

from __future__ import annotations

from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from orkee_jupyter.client import FileEntry
from orkee_jupyter.magics.arguments import parse
from orkee_jupyter.magics.errors import SandboxInterrupted
from orkee_jupyter.magics.files import FileList
from tests.client.stub_server import StubServer

from .test_magics import fails, run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stub: StubServer) -> Path:
    """Return the current folder, which has a project in it; there is a sandbox "web"."""
    stub.add(name="web")
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text("print(1)\n")
    (tmp_path / "src/b.log").touch()
    (tmp_path / "src/.gitignore").write_text("*.log\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_is_pushed_listed_and_pulled(
    shell: InteractiveShell, stub: StubServer, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "push src web:app --gitignore")
    assert {each.name for each in (stub.files / "app").iterdir()} == {"a.py", ".gitignore"}
    assert "2 files (15 B) went into sandbox web" in capsys.readouterr().err
    listed = run(shell, "ls web:app")
    assert isinstance(listed, FileList)
    assert [each.path for each in listed] == [".gitignore", "a.py"]
    run(shell, "pull web:app/a.py")
    run(shell, "pull _:app back")
    assert (here / "a.py").read_text() == (here / "back/a.py").read_text() == "print(1)\n"


def test_sync_says_what_it_did(
    shell: InteractiveShell, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "push src web")
    (here / "src/a.py").write_text("print(22)\n")
    run(shell, "sync src web --delete")
    assert "1 sent (10 B), 2 as before in sandbox web" in capsys.readouterr().err


def test_a_cell_is_written_and_a_file_is_shown(
    shell: InteractiveShell, stub: StubServer, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell_magic("sandbox", "write web:in/x.py --mode 0755", "print('\x1b]8;;x')\n")
    written = stub.files / "in/x.py"
    assert (written.read_text(), written.stat().st_mode & 0o777) == ("print('\x1b]8;;x')\n", 0o755)
    run(shell, "cat web:in/x.py")
    assert "\x1b]" not in capsys.readouterr().out


def test_ls_alone_still_lists_sandboxes() -> None:
    assert parse(["ls"]).command == "list"
    assert parse(["ls", "--all"]).command == "list"
    assert parse(["ls", "--project", "web"]).command == "list"
    assert parse(["ls", "web:src"]).command == "files"
    assert parse(["files", "web"]).command == "files"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("push nothing web", "file_not_found"),
        ("push src", "invalid_request"),
        ("push src :x", "invalid_request"),
        ("cat web", "invalid_request"),
        ("cat web:none", "file_not_found"),
        ("pull web:none", "file_not_found"),
        ("ls nobody:x", "sandbox_not_found"),
        ("sync src/a.py web:none/x --gitignore --delete", "not_a_directory"),
    ],
)
def test_mistakes_are_said_in_a_sentence(
    shell: InteractiveShell, here: Path, line: str, code: str
) -> None:
    assert fails(shell, line).code == code


def test_a_mount_comes_before_the_command(
    shell: InteractiveShell, stub: StubServer, here: Path
) -> None:
    run(shell, "create node --mount src --gitignore -- node x.js")
    assert (stub.files / "a.py").exists()
    assert not (stub.files / "b.log").exists()


def test_an_interrupt_says_that_nothing_is_half_there(
    shell: InteractiveShell, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orkee_jupyter.client import Sandbox

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Sandbox, "push", interrupted)
    with pytest.raises(SandboxInterrupted) as caught:
        run(shell, "push src web")
    assert "as it was before" in str(caught.value)


def test_a_list_shows_hostile_names_as_text() -> None:
    entry = FileEntry("<b>\x1b[2J", "symlink", 3, 0o777, 1.6e9, "<i>\n")
    bundle = FileList([entry])._repr_mimebundle_()
    assert "<b>" not in bundle["text/html"]
    assert "\x1b" not in bundle["text/plain"] + bundle["text/html"]
    assert bundle["text/plain"].startswith("lrwxrwxrwx")
    assert repr(FileList([])) == "The folder is empty"
