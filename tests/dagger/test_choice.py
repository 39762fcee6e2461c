"""Which engine is chosen, and what is said of the others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orkee_jupyter import paths
from orkee_jupyter.dagger import choice
from orkee_jupyter.dagger.choice import Candidate
from orkee_jupyter.dagger.native import PROGRAMS, NativeEngine
from orkee_jupyter.dagger.status import engine_status
from orkee_jupyter.sandbox.errors import OrkeeError

from .fake_session import script
from .native_case import until

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]
KINDS = ["configured", "native", "docker", "podman"]
ANSWERS = "echo 27.0.1"
DEAD = "echo; echo 'Cannot connect to the Docker daemon' >&2; exit 1"


@pytest.fixture
def native(tmp_path: Path) -> NativeEngine:
    return NativeEngine(
        engine_dir=tmp_path / "engine", registry_dir=tmp_path / "r", socket_dir=tmp_path / "run"
    )


@pytest.fixture(autouse=True)
def bin_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the only folder on the PATH: no engine is there, and none is configured."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for name in list(os.environ):
        if name.startswith(("ORKEE_", "_EXPERIMENTAL_DAGGER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return folder


def install_native(native: NativeEngine, check: str) -> None:
    for name in PROGRAMS:
        script(native.bin_dir / name, f"echo '{check}'")


@contextlib.contextmanager
def listening(tmp_path: Path, kind: str) -> Iterator[str]:
    """Give the address of something that listens."""
    if kind == "tcp":
        with socket.create_server(("127.0.0.1", 0)) as server:
            yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        return
    path = f"{tmp_path}/s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        yield f"unix://{path}"


async def reasons(host: str | None, native: NativeEngine) -> dict[str, str]:
    return {each.kind: each.reason for each in await choice.survey(host, native)}


async def test_nothing_at_all_is_an_error_with_every_reason(native: NativeEngine) -> None:
    with pytest.raises(OrkeeError) as caught:
        await choice.choose(None, native)
    assert caught.value.code == "no_engine"
    kinds = [each["kind"] for each in caught.value.details["candidates"]]
    assert kinds == KINDS
    assert "docker: docker is not installed" in caught.value.cause
    assert "orkee engine install" in caught.value.remedy


@pytest.mark.parametrize("kind", ["unix", "tcp"])
async def test_a_configured_engine_that_answers_comes_first(
    native: NativeEngine, bin_dir: Path, tmp_path: Path, kind: str
) -> None:
    install_native(native, '{"ok": true}')
    script(bin_dir / "docker", ANSWERS)
    with listening(tmp_path, kind) as host:
        assert await choice.choose(host, native) == Candidate(
            "configured", True, f"configured: {host}", host
        )


async def test_the_native_engine_comes_before_docker_and_docker_before_podman(
    native: NativeEngine, bin_dir: Path
) -> None:
    script(bin_dir / "podman", ANSWERS)
    assert (await choice.choose(None, native)).kind == "podman"
    script(bin_dir / "docker", ANSWERS)
    chosen = await choice.choose(None, native)
    assert (chosen.kind, chosen.reason) == ("docker", "docker 27.0.1 answers")
    install_native(native, '{"ok": true}')
    assert (await choice.choose(None, native)).kind == "native"


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("unix:///nowhere/s", "nothing answers at unix:///nowhere/s"),
        ("unix://", "nothing answers at unix://"),
        (f"unix:///{'x' * 200}", f"nothing answers at unix:///{'x' * 200}"),
        ("tcp://127.0.0.1:1", "nothing answers at tcp://127.0.0.1:1"),
        ("tcp://127.0.0.1", "nothing answers at tcp://127.0.0.1"),
        ("tcp://127.0.0.1:99999", "'tcp://127.0.0.1:99999' is no address: "),
        ("tcp://[", "'tcp://[' is no address: Invalid IPv6 URL"),
        (f"tcp://{'x' * 64}.y:1", f"nothing answers at tcp://{'x' * 64}.y:1"),
        ("http://127.0.0.1:1", "'http://127.0.0.1:1' is none of unix, tcp, "),
        ("engine", "'engine' is none of unix, tcp, "),
    ],
)
async def test_a_configured_engine_that_cannot_be_used_says_why(
    native: NativeEngine, host: str, reason: str
) -> None:
    assert (await reasons(host, native))["configured"].startswith(reason)


async def test_an_engine_that_dagger_dials_is_taken_at_its_word(native: NativeEngine) -> None:
    assert (await choice.choose("kube-pod://mine", native)).kind == "configured"


@pytest.mark.parametrize(("said", "usable"), [("true", True), ("false", False)])
async def test_a_container_of_docker_has_to_run(
    native: NativeEngine, bin_dir: Path, said: str, usable: bool
) -> None:
    script(bin_dir / "docker", f'[ "$1 $2 $6" = "--context=far inspect mine" ] && echo {said}')
    first, *_ = await choice.survey("docker-container://mine?context=far", native)
    assert first.usable is usable
    assert usable or first.reason == "docker has no running container 'mine'"


async def test_a_container_of_docker_needs_docker(native: NativeEngine) -> None:
    told = (await reasons("docker-container://mine", native))["configured"]
    assert told == "docker has no running container 'mine'"


@pytest.mark.parametrize("name", ["ORKEE_RUNNER_HOST", "_EXPERIMENTAL_DAGGER_RUNNER_HOST"])
async def test_the_environment_configures_and_the_trait_goes_before_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "kube-pod://x")
    assert choice.configured_host(None) == "kube-pod://x"
    assert choice.configured_host("unix:///mine") == "unix:///mine"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (DEAD, "docker is installed but its service does not answer"),
        (ANSWERS + "; exit 0; #", "docker 27.0.1 answers"),
    ],
)
async def test_docker_is_asked_and_not_only_looked_for(
    native: NativeEngine, bin_dir: Path, text: str, reason: str
) -> None:
    script(bin_dir / "docker", text)
    assert (await reasons(None, native))["docker"] == reason


async def test_a_docker_that_cannot_be_executed_is_no_engine(
    native: NativeEngine, bin_dir: Path
) -> None:
    script(bin_dir / "docker", "").write_bytes(b"\x7fELF nonsense")
    assert "cannot be run: Exec format error" in (await reasons(None, native))["docker"]


async def test_a_docker_that_hangs_is_given_up_with_its_children(
    native: NativeEngine, bin_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "_PROBE", 0.2)
    script(bin_dir / "docker", "/bin/sleep 77 & /bin/sleep 77")
    before = time.monotonic()
    assert (await reasons(None, native))["docker"] == "docker does not answer"
    assert time.monotonic() - before < 2


async def test_a_cancelled_question_leaves_no_docker_command(
    native: NativeEngine, bin_dir: Path, tmp_path: Path
) -> None:
    script(bin_dir / "docker", f"echo > {tmp_path}/begun; exec /bin/sleep 77")
    survey = asyncio.create_task(choice.survey(None, native))
    await asyncio.to_thread(until, (tmp_path / "begun").exists, 5)
    survey.cancel()
    with pytest.raises(asyncio.CancelledError):
        await survey


async def test_what_the_native_engine_lacks_is_said(native: NativeEngine) -> None:
    install_native(native, '{"ok": false, "problems": ["no runc", "no ids"]}')
    assert (await reasons(None, native))["native"] == "no runc; no ids"
    (native.bin_dir / "runc-shim").unlink()
    assert (await reasons(None, native))["native"] == "not installed (runc-shim missing)"


async def test_a_native_engine_that_says_nonsense_does_not_hide_docker(
    native: NativeEngine, bin_dir: Path
) -> None:
    install_native(native, "nonsense")
    script(bin_dir / "docker", ANSWERS)
    assert (await choice.choose(None, native)).kind == "docker"


async def test_the_report_is_json_and_names_a_remedy_where_there_is_no_engine(
    native: NativeEngine, bin_dir: Path
) -> None:
    install_native(native, "nonsense")
    report = json.loads(json.dumps(dict(await choice.report("tcp://[", native))))
    assert report["chosen"] is None
    assert report["remedy"] == choice.INSTALL
    script(bin_dir / "docker", ANSWERS)
    report = dict(await choice.report("tcp://[", native))
    assert (report["chosen"], report["remedy"]) == ("docker", None)


async def test_the_status_without_a_server_is_the_same_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    status = await engine_status("unix:///nowhere/s")
    assert status["chosen"] is None
    assert [each["kind"] for each in status["candidates"]] == KINDS


async def test_the_command_is_the_named_one_then_the_built_one_then_the_one_on_the_path(
    bin_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert choice.cli() is None
    (bin_dir / "dagger").mkdir()
    assert choice.cli() is None
    (bin_dir / "dagger").rmdir()
    on_path = script(bin_dir / "dagger", "")
    assert choice.cli() == on_path
    built = script(paths.engine_dir() / "bin" / "dagger", "")
    assert choice.cli() == built
    named = script(tmp_path / "named", "")
    monkeypatch.setenv("_EXPERIMENTAL_DAGGER_CLI_BIN", str(named))
    assert choice.cli() == named
