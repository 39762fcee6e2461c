"""From a folder here to an archive: what goes along, byte for byte, whatever happens meanwhile."""

from __future__ import annotations

import io
import os
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from orkee_jupyter.archive.ignoring import GitIgnore
from orkee_jupyter.archive.packing import CHUNK, pack, scan
from orkee_jupyter.client.transfers import human, metered, plan, told
from orkee_jupyter.sandbox.errors import OrkeeError


def packed(folder: Path) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(b"".join(pack(scan(folder)))))


def test_all_kinds_of_members_go_along(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o700)
    (tmp_path / "d/x").write_bytes(b"1" * 1000)
    os.utime(tmp_path / "d/x", ns=(1, 1_600_000_000_123_456_789))
    (tmp_path / "d/x").chmod(0o4711)
    (tmp_path / "l").symlink_to("/anywhere")
    os.mkfifo(tmp_path / "pipe")
    tar = packed(tmp_path)
    assert tar.getnames() == ["d", "d/x", "l"]
    x = tar.getmember("d/x")
    assert (x.mode, x.size, x.uname) == (0o711, 1000, "")
    assert x.pax_headers["mtime"] == "1600000000.123456789"
    assert tar.getmember("l").linkname == "/anywhere"


def test_names_that_are_no_utf8_go_along(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff" * 150)).write_text("x")
    (tmp_path / ("ü" * 100)).write_text("y")
    tar = packed(tmp_path)
    assert {os.fsencode(name) for name in tar.getnames()} == {b"\xff" * 150, ("ü" * 100).encode()}


def test_a_file_that_changes_its_length_keeps_the_archive_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1" * CHUNK * 3)
    (tmp_path / "b").write_bytes(b"2" * 100)
    (tmp_path / "c").write_bytes(b"3")
    members = list(scan(tmp_path))
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2" * 1000)
    (tmp_path / "c").unlink()
    data = io.BytesIO(b"".join(pack(iter(members))))
    with tarfile.open(fileobj=data) as tar:
        assert [(each.name, each.size) for each in tar] == [("a", CHUNK * 3), ("b", 100)]


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    members = list(scan(tmp_path))
    (tmp_path / "x").unlink()
    (tmp_path / "x").symlink_to("/etc/passwd")  # put there by somebody else meanwhile
    with pytest.raises(OrkeeError) as caught:
        list(pack(iter(members)))
    assert caught.value.code == "file_forbidden"
    assert str(tmp_path / "x") in caught.value.cause


def test_memory_stays_flat(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    for _ in pack(scan(tmp_path)):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * CHUNK


def test_only_a_file_or_folder_can_be_pushed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OrkeeError) as caught:
        plan(tmp_path / "pipe", None, gitignore=False)
    assert caught.value.code == "invalid_path"


@pytest.mark.parametrize(
    ("name", "is_folder", "ignored"),
    [
        ("a.log", False, True),
        ("sub/a.log", False, True),
        ("keep.log", False, False),
        ("sub/keep.log", False, True),
        ("build", True, True),
        ("build", False, False),
        ("sub/data", True, True),
        ("data", True, False),
        ("sub/deep/x.tmp", False, True),
        (".git", True, True),
        ("sub/.git", True, True),
        (".gitignore", False, False),
        ("plain", False, False),
    ],
)
def test_git_ignores_what_it_ignores(
    tmp_path: Path, name: str, is_folder: bool, ignored: bool
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".gitignore").write_text("*.log\n!keep.log\nbuild/\n# a comment\n")
    (tmp_path / "sub/.gitignore").write_text("/data\n*.tmp\nkeep.log\n")
    assert GitIgnore(tmp_path)(name, is_folder) is ignored


def test_an_ignored_folder_is_not_even_looked_into(tmp_path: Path) -> None:
    (tmp_path / "build/deep").mkdir(parents=True)
    (tmp_path / ".gitignore").write_text("build\n")
    assert [each.name for each in plan(tmp_path, None, gitignore=True)] == [".gitignore"]


def test_progress_never_passes_its_end() -> None:
    seen: list[tuple[int, int | None]] = []
    assert b"".join(metered([b"12", b"34"], lambda *now: seen.append(now), 3)) == b"1234"
    assert seen == [(2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2**30, "1.07 GB"), (10**16, "1e+04 TB")],
)
def test_sizes_are_for_people(size: int, text: str) -> None:
    assert human(size) == text


def test_a_bar_shows_a_part() -> None:
    assert told(500, 1000) == "██████████░░░░░░░░░░ 50 % of 1 kB"
    assert told(500, None) == "500 B"
