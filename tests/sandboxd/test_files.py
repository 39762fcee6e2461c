"""File streams over the real sandboxd, run on this host, over both links."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.files import (
    FileRequest,
    entries_of,
    events_of,
    lines_of,
    received_of,
)
from orkee_jupyter.sandboxd import frames
from orkee_jupyter.sandboxd.daemon import Daemon
from orkee_jupyter.sandboxd.files import FileStream
from orkee_jupyter.sandboxd.hub import Hub

from .conftest import Connect, Run

pytestmark = pytest.mark.asyncio
LARGE = 10_000_000  # bytes: more than every window


async def whole(stream: FileStream) -> bytes:
    """Return all that an operation gives."""
    data = b""
    async with asyncio.timeout(30):
        while piece := await stream.read():
            data += piece
    await stream.close()
    return data


async def refused(daemon: Daemon, request: FileRequest) -> str:
    """Return the code of the error that an operation ends with."""
    with pytest.raises(OrkeeError) as caught:
        await whole(await daemon.files(request))
    return caught.value.code


def partial(folder: Path) -> list[str]:
    """Return the files that are being written: those without a name that somebody has open."""
    assert not list(folder.glob(".orkee-*")), "what is not whole has no name"
    found = []
    for each in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            found.append(str(each.readlink()))
    return [each for each in found if each.startswith(f"{folder}/#")]


async def until_partial(folder: Path, count: int) -> None:
    """Wait until so many files are being written."""
    async with asyncio.timeout(10):
        while len(partial(folder)) != count:  # noqa: ASYNC110  # another process writes
            await asyncio.sleep(0.01)


async def test_a_large_file_goes_in_and_comes_back(
    hub: Hub, sandbox_id: str, run: Run, tmp_path: Path
) -> None:
    daemon = await run(hub, sandbox_id)
    data = os.urandom(LARGE)
    sink = await daemon.files(FileRequest("write", "deep/file", mode=0o600, parents=True))
    await sink.write(data)
    await sink.end_write()
    assert await received_of(sink) == {"files": 1, "bytes": LARGE}
    assert (tmp_path / "deep/file").read_bytes() == data
    stream = await daemon.files(FileRequest("read", "deep/file"))
    assert stream.entry is not None
    assert (stream.entry.size, stream.entry.mode, stream.entry.type) == (LARGE, 0o600, "file")
    assert await whole(stream) == data


async def test_a_part_of_a_file_is_read(
    hub: Hub, sandbox_id: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "digits").write_text("0123456789")
    daemon = await run(hub, sandbox_id)
    assert await whole(await daemon.files(FileRequest("read", "digits", offset=8))) == b"89"
    stream = await daemon.files(FileRequest("read", "digits", offset=2, length=3))
    assert await whole(stream) == b"234"


async def test_a_folder_is_listed_and_names_are_changed(
    hub: Hub, sandbox_id: str, run: Run, tmp_path: Path
) -> None:
    daemon = await run(hub, sandbox_id)
    for request in (
        FileRequest("mkdir", "a/b", parents=True),
        FileRequest("rename", "a/b", to="a/c"),
    ):
        assert await whole(await daemon.files(request)) == b""
    (tmp_path / "a/link").symlink_to("c")
    stream = await daemon.files(FileRequest("list", "a", recursive=True))
    found = {entry.path: entry async for entry in entries_of(stream)}
    assert (found["c"].type, found["link"].target, len(found)) == ("directory", "c", 2)
    await whole(await daemon.files(FileRequest("remove", "a", recursive=True)))
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (FileRequest("read", "none"), "file_not_found"),
        (FileRequest("read", "."), "is_a_directory"),
        (FileRequest("read", "../x"), "invalid_path"),
        (FileRequest("read", "out/passwd"), "invalid_path"),
        (FileRequest("write", "file", exclusive=True), "file_exists"),
        (FileRequest("mkdir", "file"), "file_exists"),
        (FileRequest("read", "file/x"), "not_a_directory"),
        (FileRequest("remove", "folder"), "directory_not_empty"),
        (FileRequest("dance", "x"), "invalid_request"),
    ],
)
async def test_a_refusal_has_a_clear_code(
    hub: Hub, sandbox_id: str, run: Run, tmp_path: Path, request_: FileRequest, code: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder/x").mkdir(parents=True)
    (tmp_path / "out").symlink_to("/etc")
    assert await refused(await run(hub, sandbox_id), request_) == code


@pytest.mark.parametrize("how", ["close", "lost"])
async def test_a_write_that_breaks_off_leaves_the_old_file(
    hub: Hub, sandbox_id: str, run: Run, tmp_path: Path, how: str
) -> None:
    (tmp_path / "file").write_text("old")
    daemon = await run(hub, sandbox_id)
    sink = await daemon.files(FileRequest("write", "file"))
    await sink.write(b"new" * 100_000)
    await until_partial(tmp_path, 1)
    if how == "close":
        await sink.close()
    else:
        sink._connection.abort()
    await until_partial(tmp_path, 0)
    assert (tmp_path / "file").read_text() == "old"


def archive(*names: str, size: int = 3) -> bytes:
    """Return a tar archive of files."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = size, 0o640, 1_600_000_000
            tar.addfile(info, io.BytesIO(b"x" * size))
    return data.getvalue()


async def test_an_archive_goes_in_and_comes_back(
    hub: Hub, sandbox_id: str, run: Run, tmp_path: Path
) -> None:
    daemon = await run(hub, sandbox_id)
    sink = await daemon.files(FileRequest("push", "in"))
    await sink.write(archive("a", "sub/b", size=LARGE // 2))
    await sink.end_write()
    assert await received_of(sink) == {"files": 2, "bytes": LARGE}
    assert (tmp_path / "in/sub/b").stat().st_mode & 0o777 == 0o640
    data = await whole(await daemon.files(FileRequest("pull", "in")))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert {each.name for each in tar} == {".", "a", "sub", "sub/b"}
        assert tar.getmember("a").mtime == 1_600_000_000


@pytest.mark.parametrize("name", ["../x", "/tmp/orkee-x", "a/../../x", ""])
async def test_an_archive_cannot_leave_its_folder(
    hub: Hub, sandbox_id: str, run: Run, tmp_path: Path, name: str
) -> None:
    daemon = await run(hub, sandbox_id)
    sink = await daemon.files(FileRequest("push", "in"))
    await sink.write(archive(name))
    await sink.end_write()
    with pytest.raises(OrkeeError) as caught:
        await received_of(sink)
    assert caught.value.code == "invalid_archive"
    assert not (tmp_path / "x").exists()
    assert name[:1] != "/" or await refused(daemon, FileRequest("stat", name)) == "file_not_found"


async def test_an_error_in_the_midst_of_a_write_reaches_the_writer(
    hub: Hub, sandbox_id: str, run: Run
) -> None:
    daemon = await run(hub, sandbox_id)
    sink = await daemon.files(FileRequest("push", "."))

    async def write_on() -> None:
        while True:
            await sink.write(b"no archive" * 10_000)

    with pytest.raises(OrkeeError) as caught:
        await asyncio.wait_for(write_on(), 20)
    assert caught.value.code == "invalid_archive"


async def test_changes_are_told(hub: Hub, sandbox_id: str, run: Run, tmp_path: Path) -> None:
    daemon = await run(hub, sandbox_id)
    stream = await daemon.files(FileRequest("watch", ".", recursive=True))
    events = events_of(stream)
    (tmp_path / "new").mkdir()
    (tmp_path / "new/file").write_text("1")
    told: set[tuple[str, str]] = set()
    async with asyncio.timeout(10):
        while ("changed", "new/file") not in told and ("created", "new/file") not in told:
            event = await anext(events)
            told.add((event["event"], event["path"]))
    assert ("created", "new") in told
    await stream.close()


HOSTILE = [
    b'{"path":"a"}\n',
    b'{"path":"","type":"file","size":1,"mode":1,"mtime":1}\n',
    b'{"path":"a","type":"hole","size":1,"mode":1,"mtime":1}\n',
    b'{"path":"a","type":"file","size":-1,"mode":1,"mtime":1}\n',
    b'{"path":"a","type":"file","size":1,"mode":1,"mtime":1e999}\n',
    b"[" * 5000 + b"\n",
    b"no json\n",
    b"[]\n",
    b"x" * 100_000,
    b'{"path":"a"',
]


@pytest.mark.parametrize("line", HOSTILE, ids=range(len(HOSTILE)))
async def test_a_daemon_that_lies_about_files_is_not_believed(
    hub: Hub, sandbox_id: str, connect: Connect, line: bytes
) -> None:
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 5)
    asking = asyncio.create_task(daemon.files(FileRequest("list", ".")))
    stream = await peer.stream()
    await stream.expect(frames.OPEN)
    entry = {"path": ".", "type": "directory", "size": 1, "mode": 1, "mtime": 1}
    stream.json(frames.OPENED, {"credit": 0, "entry": entry})
    stream.data(frames.STDOUT, line)
    stream.raw(frames.encode_end(frames.STDOUT))
    with pytest.raises(OrkeeError) as caught:
        async for _ in entries_of(await asking):
            pass
    assert caught.value.code == "internal"


async def test_lines_come_whole_however_they_are_cut(
    hub: Hub, sandbox_id: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "many").mkdir()
    for number in range(5000):
        (tmp_path / f"many/{number:060}").touch()
    daemon = await run(hub, sandbox_id)
    stream = await daemon.files(FileRequest("list", "many"))
    assert len([line async for line in lines_of(stream)]) == 5000
