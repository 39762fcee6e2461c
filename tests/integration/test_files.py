"""Files in and out of real containers, on both links."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tarfile
import threading
from pathlib import Path

import pytest

from orkee_jupyter.client import Client, OrkeeError, Sandbox

from .processes import containers_of, until
from .servers import Server

LARGE = 50_000_000


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with all kinds of files."""
    folder = tmp_path / "project"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/hello").write_text("#!/bin/sh\necho hello $1\n")
    (folder / "bin/hello").chmod(0o755)
    (folder / "data").write_bytes(os.urandom(3_000_000))
    os.utime(folder / "data", ns=(1, 1_600_000_000_123_456_789))
    (folder / "link").symlink_to("bin/hello")
    (folder / "näme with space").touch()
    (folder / ".gitignore").write_text("*.log\n")
    (folder / "x.log").touch()
    return folder


def facts(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return mode, time and hash of each file in a folder."""
    return {
        each.relative_to(folder).as_posix(): (
            each.stat().st_mode,
            each.stat().st_mtime_ns,
            hashlib.sha256(each.read_bytes()).digest(),
        )
        for each in folder.rglob("*")
        if each.is_file() and not each.is_symlink()
    }


def test_a_folder_is_pushed_used_and_pulled(
    sandbox: Sandbox, project: Path, tmp_path: Path
) -> None:
    sandbox.push(project)
    assert sandbox.exec(["bin/hello", "you"]).stdout == "hello you\n"
    assert sandbox.exec(["./link", "me"]).stdout == "hello me\n"
    sandbox.pull(".", tmp_path / "back")
    assert facts(tmp_path / "back") == facts(project)
    assert (tmp_path / "back/link").readlink() == Path("bin/hello")
    assert sandbox.sync(project).sent == []


def test_files_are_those_that_commands_see(sandbox: Sandbox) -> None:
    sandbox.files.write("in/x", "text", mode=0o640)
    assert sandbox.exec("stat -c '%a %U' in/x; cat in/x").stdout == "640 root\ntext"
    sandbox.exec("echo more >> in/x; ln -s /etc/hostname out; mkfifo pipe")
    assert sandbox.files.read_text("in/x") == "textmore\n"
    kinds = {entry.path: entry.type for entry in sandbox.files.list()}
    assert kinds == {"in": "directory", "out": "symlink", "pipe": "other"}
    assert sandbox.files.read("/etc/debian_version").strip()
    sandbox.files.rename("in/x", "y")
    sandbox.files.remove("in")
    assert sandbox.exec(["ls"]).stdout == "out\npipe\ny\n"


@pytest.mark.parametrize(
    ("path", "code"),
    [("../etc/passwd", "invalid_path"), ("out", "invalid_path"), ("none", "file_not_found"),
     ("pipe", "invalid_path"), ("/etc", "is_a_directory"), ("/dev/zero", "invalid_path")],
)  # fmt: skip
def test_what_cannot_be_read_says_why(sandbox: Sandbox, path: str, code: str) -> None:
    sandbox.exec("ln -s /etc/hostname out; mkfifo pipe")
    with pytest.raises(OrkeeError) as caught:
        sandbox.files.read(path)
    assert caught.value.code == code


def test_a_large_file_goes_both_ways(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(os.urandom(LARGE))
    digest = hashlib.sha256((tmp_path / "large").read_bytes()).hexdigest()
    sandbox.push(tmp_path / "large")
    assert sandbox.exec(["sha256sum", "large"]).stdout.split()[0] == digest
    sandbox.pull("large", tmp_path / "back")
    assert hashlib.sha256((tmp_path / "back").read_bytes()).hexdigest() == digest


def test_a_container_cannot_write_outside_of_the_folder(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.exec(
        "mkdir -p d/sub; ln -s /etc d/abs; ln -s ../../.. d/up; ln -s sub d/ok; echo 1 > d/sub/x; "
        "mkfifo d/pipe; mknod d/null c 1 3; chmod 6777 d/sub/x"
    )
    pulled = sandbox.pull("d", tmp_path / "here")
    assert sorted(pulled.skipped) == ["abs", "up"]
    found = {each.name for each in (tmp_path / "here").iterdir()}
    assert found == {"sub", "ok"}
    assert (tmp_path / "here/sub/x").stat().st_mode & 0o7777 == 0o777


@pytest.mark.parametrize("name", ["../x", "/x", "link/x"])
def test_an_archive_cannot_leave_its_folder(direct: Server, name: str) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/"
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo(name))
    with direct.client() as client, client.create("debian") as sandbox, direct.http() as http:
        path = f"sandbox/{sandbox.id}/files/archive"
        answer = http.put(path, params={"path": "in"}, content=data.getvalue())
        assert answer.status_code == 400, answer.text
        assert sandbox.exec("ls -d /x /app/x").exit_code == 2


def nameless(sandbox: Sandbox) -> list[str]:
    """Return the files of a workspace that are being written: they have no name yet."""
    found = []
    for pid in containers_of([sandbox.id]):
        for each in Path(f"/proc/{pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                found.append(str(each.readlink()))
    return [each for each in found if "/#" in each]


def test_a_transfer_that_breaks_off_leaves_the_old_file(sandbox: Sandbox) -> None:
    sandbox.files.write("x", "old")
    came = threading.Event()

    def broken() -> object:
        yield b"new" * 1_000_000
        until(lambda: nameless(sandbox))
        came.set()
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        sandbox.files.write("x", broken())  # type: ignore[arg-type]
    assert came.is_set()
    until(lambda: sandbox.exec(["ls", "-A"]).stdout == "x\n")
    assert sandbox.files.read("x") == b"old"


def test_a_folder_is_mounted_before_the_command(client: Client, project: Path) -> None:
    command = ["sh", "-c", "bin/hello mounted; sleep 60"]
    with client.create("debian", command=command, mount=project, gitignore=True) as sandbox:
        with sandbox.log_entries(follow=True) as entries:
            assert next(entries).data == b"hello mounted\n"
        assert not sandbox.files.exists("x.log")
        (project / "bin/hello").write_text("#!/bin/sh\necho changed\n")
        assert sandbox.sync(project, gitignore=True).sent == ["bin/hello"]
        assert sandbox.exec(["bin/hello"]).stdout == "changed\n"


def test_a_mount_whose_command_fails_leaves_nothing(client: Client, project: Path) -> None:
    with pytest.raises(OrkeeError) as caught:
        client.create("debian", name="late", command=["nothing"], mount=project)
    assert caught.value.code == "command_not_found"
    assert client.list(name="late", status=["creating", "active", "paused"]) == []


def test_changes_are_told_as_they_happen(sandbox: Sandbox) -> None:
    changes = sandbox.files.watch()
    seen: list[tuple[str, str]] = []
    begun = threading.Event()

    def follow() -> None:
        for change in changes:
            begun.set()
            seen.append((change.event, change.path))
            if change.path == "d/last":
                return

    reader = threading.Thread(target=follow, daemon=True)
    reader.start()
    until(lambda: sandbox.exec(["touch", "first"]).ok and begun.is_set())
    sandbox.exec("mkdir d; echo 1 > d/x; rm d/x; touch d/last")
    reader.join(10)
    assert not reader.is_alive()
    assert ("created", "d") in seen


def test_the_command_line_does_it_too(direct: Server) -> None:
    (direct.project / "note").write_text("from here")
    assert direct.cli("sandbox", "create", "debian", "--name", "fcli").returncode == 0
    try:
        assert direct.cli("sandbox", "push", "note", "fcli:in/").returncode == 0
        assert direct.cli("sandbox", "cat", "fcli:in/note").stdout == b"from here"
        piped = direct.cli("sandbox", "write", "fcli:piped", stdin=b"\0\xff")
        assert piped.returncode == 0, piped.stderr
        assert direct.cli("sandbox", "cat", "fcli:piped").stdout == b"\0\xff"
    finally:
        direct.cli("sandbox", "stop", "fcli")


def test_a_table_goes_in_and_out(sandbox: Sandbox) -> None:
    pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"n": range(1000), "text": ["ü"] * 1000})
    path = sandbox.put_frame("table", frame)
    assert sandbox.exec(["head", "-c", "6", path]).stdout == "ARROW1"
    assert sandbox.get_frame("table").equals(frame)
