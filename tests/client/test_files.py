"""Files in and out through the client, over a stub server."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from orkee_jupyter.client import AsyncSandbox, FileChange, OrkeeError, Sandbox, Synced

from .stub_server import StubServer


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with a file, a script, a link and what git ignores."""
    folder = tmp_path / "project"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("text")
    os.utime(folder / "a.txt", ns=(1, 1_600_000_000_123_456_789))
    (folder / "sub/run.sh").write_text("#!/bin/sh\n")
    (folder / "sub/run.sh").chmod(0o755)
    (folder / "link").symlink_to("a.txt")
    (folder / ".gitignore").write_text("*.log\n")
    (folder / "big.log").write_text("ignored")
    return folder


def names(folder: Path) -> set[str]:
    """Return what is in a folder, without what holds something else."""
    return {each.relative_to(folder).as_posix() for each in folder.rglob("*")} - {"sub"}


def test_a_file_is_written_read_and_removed(stub: StubServer) -> None:
    sandbox = Sandbox.create()
    assert sandbox.files.write("in/x", "näh", mode=0o600) == 4
    assert sandbox.files.read_text("in/x") == "näh"
    assert sandbox.files.read("in/x", offset=1, length=2) == "ä".encode()
    assert sandbox.files.read("in/x", length=0) == b""
    assert sandbox.files.stat("in/x").mode == 0o600
    sandbox.files.rename("in/x", "in/y")
    sandbox.files.remove("in/y")
    assert not sandbox.files.exists("in/y")
    assert sandbox.files.list("in") == []


@pytest.mark.parametrize(
    "data", [b"abc", "abc", bytearray(b"abc"), io.BytesIO(b"abc"), [b"a", b"bc"]]
)
def test_all_kinds_of_content_are_written(stub: StubServer, data: object) -> None:
    sandbox = Sandbox.create()
    assert sandbox.files.write("x", data) == 3  # type: ignore[arg-type]
    assert (stub.files / "x").read_bytes() == b"abc"


def test_a_list_is_in_order_and_a_file_is_alone_in_it(stub: StubServer) -> None:
    sandbox = Sandbox.create()
    for name in ("c", "a", "b/d"):
        sandbox.files.write(name, name)
    assert [each.path for each in sandbox.files.list()] == ["a", "b", "c"]
    assert [each.path for each in sandbox.files.list(recursive=True)] == ["a", "b", "b/d", "c"]
    assert [each.type for each in sandbox.files.list("a")] == ["file"]


def test_a_list_that_breaks_off_is_an_error(stub: StubServer) -> None:
    sandbox = Sandbox.create()
    stub.break_files = True
    with pytest.raises(OrkeeError) as caught:
        sandbox.files.list()
    assert caught.value.code == "server_unreachable"


def test_a_folder_goes_there_and_comes_back(
    stub: StubServer, project: Path, tmp_path: Path
) -> None:
    sandbox = Sandbox.create()
    told: list[tuple[int, int | None]] = []
    pushed = sandbox.push(project, "in", on_progress=lambda *now: told.append(now))
    assert (pushed.files, pushed.bytes) == (5, 27)
    assert told[-1] == (27, 27)
    assert names(stub.files / "in") == names(project)
    pulled = sandbox.pull("in", tmp_path / "back")
    assert (pulled.files, pulled.bytes, pulled.skipped) == (5, 27, [])
    back = (tmp_path / "back/a.txt").stat()
    assert back.st_mtime == pytest.approx(1_600_000_000.123456, abs=1e-5)
    assert back.st_mode & 0o777 == 0o644
    assert (tmp_path / "back/sub/run.sh").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "back/link").readlink() == Path("a.txt")


@pytest.mark.parametrize(
    ("path", "there"),
    [(None, "a.txt"), ("b", "b"), ("new/", "new/a.txt"), ("dir", "dir/a.txt"), ("x/y", "x/y")],
)
def test_a_file_goes_where_it_is_meant(
    stub: StubServer, project: Path, path: str | None, there: str
) -> None:
    (stub.files / "dir").mkdir()
    assert Sandbox.create().push(project / "a.txt", path).files == 1
    assert (stub.files / there).read_text() == "text"


def test_what_git_ignores_stays_here(stub: StubServer, project: Path) -> None:
    (project / ".git").mkdir()
    (project / ".git/config").touch()
    Sandbox.create().push(project, gitignore=True)
    assert names(stub.files) == names(project) - {"big.log", ".git", ".git/config"}


def test_a_pull_takes_the_name_of_what_it_pulls(
    stub: StubServer, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sandbox = Sandbox.create(name="web")
    sandbox.push(project, "in")
    assert sandbox.pull("in/a.txt").path == Path("a.txt")
    assert sandbox.pull("in/sub").path == Path("sub")
    assert sandbox.pull().path == Path("web")
    (tmp_path / "folder").mkdir()
    assert sandbox.pull("in/a.txt", "folder").path == Path("folder/a.txt")
    assert (tmp_path / "folder/a.txt").read_text() == "text"


def test_a_pull_that_breaks_off_leaves_the_old_file(stub: StubServer, tmp_path: Path) -> None:
    sandbox = Sandbox.create()
    sandbox.files.write("x", b"new" * 1_000_000)
    (tmp_path / "x").write_text("old")
    stub.break_files = True
    with pytest.raises(OrkeeError) as caught:
        sandbox.pull("x", tmp_path / "x")
    assert caught.value.code == "server_unreachable"
    assert [each.name for each in tmp_path.glob("*x")] == ["x"]
    assert list(tmp_path.glob(".orkee*")) == []
    assert (tmp_path / "x").read_text() == "old"


def test_sync_sends_what_has_changed(stub: StubServer, project: Path) -> None:
    sandbox = Sandbox.create()
    sandbox.push(project)
    assert sandbox.sync(project) == Synced(sent=[], removed=[], same=6)
    (project / "a.txt").write_text("other")
    (project / "sub/run.sh").chmod(0o700)
    (project / "link").unlink()
    (project / "link").symlink_to("sub")
    (stub.files / "more").touch()
    synced = sandbox.sync(project, delete=True)
    assert (sorted(synced.sent), synced.removed) == (["a.txt", "link", "sub/run.sh"], ["more"])
    assert names(stub.files) == names(project)


def test_sync_puts_a_folder_where_a_file_was(stub: StubServer, project: Path) -> None:
    sandbox = Sandbox.create()
    (stub.files / "sub").touch()
    (stub.files / "a.txt/deep").mkdir(parents=True)
    assert sorted(sandbox.sync(project, delete=True).removed) == ["a.txt", "sub"]
    assert names(stub.files) == names(project)


def test_sync_removes_nothing_that_git_ignores(stub: StubServer, project: Path) -> None:
    sandbox = Sandbox.create()
    sandbox.sync(project, "deep", gitignore=True)
    (stub.files / "deep/made.log").touch()
    (stub.files / "deep/old/inner").mkdir(parents=True)
    synced = sandbox.sync(project, "deep", gitignore=True, delete=True)
    assert synced.removed == ["old"]
    assert (stub.files / "deep/made.log").exists()


def test_changes_are_told(stub: StubServer) -> None:
    assert list(Sandbox.create().files.watch()) == [FileChange("created", "a")]


def test_a_mounted_folder_is_there_before_the_command(stub: StubServer, project: Path) -> None:
    said: list[str] = []
    sandbox = Sandbox.create(mount=project, on_progress=said.append)
    assert sandbox.status == "active"
    created = next(body for verb, _, body in stub.requests if verb == "POST")
    assert created["start"] is False
    assert (stub.files / "a.txt").exists()
    assert [uri.rpartition("/")[2] for verb, uri, _ in stub.requests if verb == "POST"][
        1
    ] == "start"
    assert said[-1] == "starting the command"


def test_a_mount_that_fails_leaves_no_sandbox(stub: StubServer, project: Path) -> None:
    stub.fail_start = OrkeeError("command_not_found", "There is none.", "Use another.")
    with pytest.raises(OrkeeError) as caught:
        Sandbox.create(mount=project)
    assert caught.value.code == "command_not_found"
    assert [each["status"] for each in stub.sandboxes.values()] == ["terminated"]


@pytest.mark.parametrize(
    ("name", "code"), [("none", "file_not_found"), ("a.txt", "not_a_directory")]
)
def test_what_cannot_be_mounted_is_said_before(
    stub: StubServer, project: Path, name: str, code: str
) -> None:
    with pytest.raises(OrkeeError) as caught:
        Sandbox.create(mount=project / name)
    assert caught.value.code == code
    assert stub.sandboxes == {}


@pytest.mark.asyncio
async def test_the_async_face_does_the_same(
    stub: StubServer, project: Path, tmp_path: Path
) -> None:
    sandbox = await AsyncSandbox.create(mount=project)
    assert (await sandbox.sync(project)).same == 6
    assert await sandbox.files.read("a.txt") == b"text"
    assert (await sandbox.pull(".", tmp_path / "back")).files == 5
    assert [each async for each in sandbox.files.watch()] == [FileChange("created", "a")]
    assert await sandbox.files.write("x", iter([b"a", b"b"])) == 2
