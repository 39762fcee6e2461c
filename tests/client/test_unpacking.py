"""Archives from a sandbox that is not trusted: attacks are made, and nothing leaves the folder."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orkee_jupyter.client.tar import MAX_EXTENDED
from orkee_jupyter.client.unpacking import Pulled, Unpacker
from orkee_jupyter.sandbox.errors import OrkeeError

LINK, HARD, FILE, DEVICE, PIPE = (
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.REGTYPE,
    tarfile.CHRTYPE,
    tarfile.FIFOTYPE,
)


def member(name: str, content: bytes = b"x", **facts: Any) -> tuple[tarfile.TarInfo, bytes]:
    """Return a member; a link or device has no content."""
    info = tarfile.TarInfo(name)
    for key, value in facts.items():
        setattr(info, key, value)
    info.size = len(content) if info.type == FILE else 0
    return info, content


def link(name: str, target: str, kind: bytes = LINK) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=kind, linkname=target)


def folder(name: str = "./", mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.DIRTYPE, mode=mode)


def archive(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """Return an archive of members."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=form) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


def unpack(data: bytes, local: Path, *, cut: int = 1000, **limits: int) -> Pulled:
    """Unpack in pieces."""
    unpacker = Unpacker(local, "name", **limits)
    try:
        for at in range(0, len(data), cut):
            unpacker.feed(data[at : at + cut])
        return unpacker.finish()
    finally:
        unpacker.close()


def refusal(data: bytes, local: Path, **limits: int) -> str:
    with pytest.raises(OrkeeError) as caught:
        unpack(data, local, **limits)
    return caught.value.code


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Return a folder to unpack into, beside a file that no archive may change."""
    (tmp_path / "victim").write_text("safe")
    (tmp_path / "here").mkdir()
    yield tmp_path / "here"  # type: ignore[misc]
    assert (tmp_path / "victim").read_text() == "safe"
    assert {each.name for each in tmp_path.iterdir()} == {"victim", "here"}
    assert not list((tmp_path / "here").rglob(".orkee-*")), "something half written was left"


@pytest.mark.parametrize("cut", [1, 511, 512, 513, 100_000])
def test_an_archive_is_unpacked_however_it_is_cut(here: Path, cut: int) -> None:
    long = "n" * 120 + "/" + "ü" * 90
    data = archive(
        folder(),
        folder("d/", 0o700),
        member("d/x", b"12345", mode=0o640, mtime=1_600_000_000.25),
        member(long, b"long"),
        member("empty", b""),
        link("l", "d/x"),
    )
    pulled = unpack(data, here, cut=cut)
    assert (pulled.path, pulled.files, pulled.bytes, pulled.skipped) == (here, 4, 9, [])
    info = (here / "d/x").stat()
    assert (info.st_mode & 0o777, info.st_mtime) == (0o640, 1_600_000_000.25)
    assert (here / "d").stat().st_mode & 0o777 == 0o700
    assert (here / long).read_bytes() == b"long"
    assert (here / "l").read_bytes() == b"12345"


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize(
    "name", ["../victim", "/etc/x", "a/../../victim", "a/..", "..", "//victim", "./../victim"]
)
def test_a_name_that_leads_out_ends_it(here: Path, name: str, form: int) -> None:
    data = archive(folder(), member(name, b"evil"), form=form)
    assert refusal(data, here) == "invalid_archive"


@pytest.mark.parametrize(
    "members",
    [
        [link("l", ".."), member("l/victim", b"evil")],
        [link("l", "/etc"), member("l/x", b"evil")],
        [link("l", "sub"), folder("sub/"), member("l/x", b"evil")],
        [folder("d/"), link("d", "../"), member("d/victim", b"evil")],
        [member("f"), member("f/x", b"evil")],
    ],
)
def test_no_member_is_written_through_another(here: Path, members: list[Any]) -> None:
    data = archive(folder(), *members)
    with contextlib.suppress(OrkeeError):  # the link may be left out, and then it is no attack
        unpack(data, here)
    assert b"evil" not in [each.read_bytes() for each in here.parent.glob("*") if each.is_file()]


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("l", ".."),
        ("l", "/etc/passwd"),
        ("l", "../victim"),
        ("d/l", "../../victim"),
        ("l", "d/../../victim"),
        ("l", "d/e/.."),
        ("l", ""),
        ("l", "x" * 4096),
    ],
)
def test_a_link_that_leads_out_is_left_out(here: Path, name: str, target: str) -> None:
    pulled = unpack(archive(folder(), link(name, target), member("after")), here)
    assert pulled.skipped == [name]
    assert not (here / name).is_symlink()
    assert (here / "after").exists()


@pytest.mark.parametrize(
    ("name", "target"), [("l", "d/x"), ("d/l", "../x"), ("d/l", "x"), ("l", "./d/"), ("l", "no")]
)
def test_a_link_that_stays_inside_is_kept(here: Path, name: str, target: str) -> None:
    assert unpack(archive(folder(), link(name, target)), here).skipped == []
    assert str((here / name).readlink()) == str(Path(target))


def test_links_through_links_never_lead_out(here: Path) -> None:
    data = archive(
        folder(),
        folder("a/b/"),
        link("a/b/up", "../.."),
        link("out", "a/b/up/../victim"),
        link("two", "a/b/up"),
        link("three", "two/.."),
    )
    assert unpack(data, here).skipped == ["out", "three"]
    for each in here.rglob("*"):
        assert each.resolve().is_relative_to(here.resolve())


@pytest.mark.parametrize("kind", [DEVICE, tarfile.BLKTYPE, PIPE, HARD])
def test_devices_pipes_and_hard_links_are_left_out(here: Path, kind: bytes) -> None:
    pulled = unpack(archive(folder(), link("d", "../victim", kind)), here)
    assert (pulled.skipped, list(here.iterdir())) == (["d"], [])


def test_links_of_this_machine_are_not_followed(here: Path) -> None:
    (here / "mine").symlink_to("..")
    assert refusal(archive(folder(), member("mine/victim", b"evil")), here) == "invalid_path"


def test_a_link_in_the_place_of_a_file_is_replaced(here: Path) -> None:
    (here / "x").symlink_to("../victim")
    unpack(archive(folder(), member("x", b"new")), here)
    assert (here / "x").read_bytes() == b"new"
    assert not (here / "x").is_symlink()


def test_no_file_gets_more_than_permissions(here: Path) -> None:
    unpack(archive(folder(), member("x", mode=0o6755)), here)
    assert (here / "x").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"max_files": 4}, "archive_too_large"),
        ({"max_bytes": 29}, "archive_too_large"),
        ({"max_files": 5, "max_bytes": 30}, None),
    ],
)
def test_more_than_the_limits_is_not_taken(
    here: Path, limits: dict[str, int], code: str | None
) -> None:
    data = archive(folder(), *(member(f"x{n}", b"1234567") for n in range(4)), member("y", b"12"))
    if code is None:
        limits["max_files"] = 6
        assert unpack(data, here, **limits).files == 5
    else:
        assert refusal(data, here, **limits) == code


def test_a_size_that_lies_is_refused_before_its_bytes(here: Path) -> None:
    info = tarfile.TarInfo("huge")
    info.size = 1 << 60
    data = archive(folder())[:512] + info.tobuf(tarfile.PAX_FORMAT)
    assert refusal(data, here) == "archive_too_large"


def test_folders_without_end_are_refused(here: Path) -> None:
    assert refusal(archive(folder(), member("d/" * 200 + "x")), here) == "archive_too_large"


def pax(records: bytes, size: int | None = None) -> bytes:
    """Return an extended header with any bytes."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, len(records) if size is None else size
    return info.tobuf(tarfile.USTAR_FORMAT) + records + bytes(-len(records) % 512)


@pytest.mark.parametrize(
    "head",
    [
        pax(b"", MAX_EXTENDED + 1),
        pax(b"", 0),
        pax(b"99 path=x\n"),
        pax(b"9 path=x"),
        pax(b"0 path=x\n"),
        pax(b"-9 path=x\n"),
        pax(b"no record\n"),
        pax(b"12 size=1e3\n") + archive(member("x"))[:1024],
        pax(b"14 size=-1000\n") + archive(member("x"))[:1024],
        pax(b"14 mtime=nope\n") + archive(member("x"))[:1024],
        pax(b"24 GNU.sparse.major=1\n.\n"),
        pax(b"10 path=x\n") + pax(b"10 path=x\n"),
        archive(member("n" * 200), form=tarfile.GNU_FORMAT),
        b"x" * 512,
        bytes(512) + b"x" * 512,
        archive(member("x"))[:200] + b"x" + archive(member("x"))[201:],
    ],
    ids=range(16),
)
def test_what_is_no_archive_of_ours_is_refused(here: Path, head: bytes) -> None:
    assert refusal(archive(folder())[:512] + head + bytes(2048), here) == "invalid_archive"


def test_a_path_in_an_extended_header_is_checked_too(here: Path) -> None:
    records = b"19 path=../victim\n\n"
    data = archive(folder())[:512] + pax(b"18 path=../victim\n") + archive(member("x", b"evil"))
    assert len(records) == 19
    assert refusal(data, here) == "invalid_archive"


@pytest.mark.parametrize("length", [0, 100, 512, 513, 1024, 1030])
def test_an_archive_that_is_cut_off_is_refused(here: Path, length: int) -> None:
    (here / "x").write_text("old")
    data = archive(folder(), member("x", b"new" * 1000))
    assert refusal(data[: 512 + length], here) == "invalid_archive"
    assert (here / "x").read_text() == "old"


def test_one_file_goes_by_the_name_it_is_given(here: Path) -> None:
    pulled = unpack(archive(member("theirs", b"1")), here / "mine")
    assert (pulled.path, (here / "mine").read_bytes()) == (here / "mine", b"1")
    assert unpack(archive(member("theirs", b"2")), here).path == here / "name"


def test_one_file_is_not_followed_by_another(here: Path) -> None:
    data = archive(member("theirs", b"1"), member("more", b"2"))
    assert refusal(data, here / "mine") == "invalid_archive"


def test_a_full_disk_is_said(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    assert refusal(archive(folder(), member("x")), here) == "disk_full"


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_archive_never_raises_anything_else(tmp_path: Path, data: st.DataObject) -> None:
    good = bytearray(
        archive(folder(), member("a/b", b"1" * 600), link("l", "a"), member("ü" * 80, b"2"))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "here").mkdir(exist_ok=True)
    with contextlib.suppress(OrkeeError):
        unpack(bytes(good), tmp_path / "here", cut=700)
    assert {each.name for each in tmp_path.iterdir()} == {"here"}
