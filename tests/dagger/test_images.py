"""Stand-ins for images: when they are built, and what a failure says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from orkee_jupyter.dagger import images, packages
from orkee_jupyter.sandbox.errors import OrkeeError

from .fake_session import script
from .native_case import until

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]
STAND_IN = images.StandIn("debian:bookworm-slim", ("apt", "git"), ("bash",), ("a hook",))


@pytest.fixture(autouse=True)
def bin_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder of the PATH, on a machine with nothing of ours."""
    folder = tmp_path / "bin"
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("ORKEE_DEBIAN_MIRROR", raising=False)
    for each in ("ENGINE", "IMAGES"):
        monkeypatch.setattr(packages, each, {})
    return folder


def registry(monkeypatch: pytest.MonkeyPatch, answers: bool) -> None:
    async def answer() -> bool:
        return answers

    monkeypatch.setattr(images, "registry_answers", answer)


async def test_an_image_without_a_stand_in_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(OrkeeError, match="no stand-in for 'nosuch:1'") as caught:
        await images.build(lambda _: None, ["nosuch:1"])
    assert caught.value.code == "unknown_image"
    assert "node:18-alpine, python:3.11-slim, debian:bookworm-slim" in caught.value.remedy


async def test_where_a_registry_answers_nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    registry(monkeypatch, answers=True)
    told: list[str] = []
    assert await images.build(told.append) == []
    assert told == ["a registry answers: stand-ins are not needed"]


@pytest.mark.parametrize("names", [[], ["node:18-alpine"]])
async def test_without_an_engine_there_is_nothing_to_build_with(
    monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    registry(monkeypatch, answers=bool(names))  # named ones are built in any case
    with pytest.raises(OrkeeError, match="not installed") as caught:
        await images.build(lambda _: None, names)
    assert caught.value.code == "no_engine"


async def test_a_registry_that_nobody_serves_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(images, "_PUBLIC", "http://127.0.0.1:1/v2/")
    assert await images.registry_answers() is False


async def test_a_registry_that_wants_a_login_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setattr(images, "_PUBLIC", f"http://127.0.0.1:{port}/v2/")
        assert await images.registry_answers() is True


async def test_mmdebstrap_is_told_packages_hooks_and_mirror(
    bin_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORKEE_DEBIAN_MIRROR", "http://mirror")
    script(bin_dir / "mmdebstrap", f'printf "%s\\n" "$@" > {tmp_path}/words')
    await images._mmdebstrap(STAND_IN, tmp_path / "root.tar")
    words = (tmp_path / "words").read_text().splitlines()
    assert "--include=apt,git" in words
    assert "--customize-hook=a hook" in words
    assert words[-3:] == ["bookworm", str(tmp_path / "root.tar"), "http://mirror"]


@pytest.mark.parametrize(
    ("text", "said"), [(r"printf 'E: no \377'", "E: no \ufffd"), (":", "it said nothing")]
)
async def test_an_mmdebstrap_that_fails_is_told_with_its_last_words(
    bin_dir: Path, tmp_path: Path, text: str, said: str
) -> None:
    script(bin_dir / "mmdebstrap", f"{text} >&2; exit 25")
    with pytest.raises(OrkeeError) as caught:
        await images._mmdebstrap(STAND_IN, tmp_path / "root.tar")
    assert caught.value.cause == f"mmdebstrap could not build {STAND_IN.name}: {said}."


async def test_a_cancelled_build_ends_mmdebstrap(bin_dir: Path, tmp_path: Path) -> None:
    script(bin_dir / "mmdebstrap", f": > {tmp_path}/begun; exec sleep 77")
    build = asyncio.create_task(images._mmdebstrap(STAND_IN, tmp_path / "root.tar"))
    await asyncio.to_thread(until, (tmp_path / "begun").exists, 5)
    build.cancel()
    with pytest.raises(asyncio.CancelledError):
        await build
