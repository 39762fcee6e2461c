"""What the native engine says when it can't be used; needs no engine."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from orkee_jupyter.dagger.native import PROGRAMS, NativeEngine
from orkee_jupyter.sandbox.errors import OrkeeError

pytestmark = pytest.mark.asyncio


@pytest.fixture
def engine(tmp_path: Path) -> NativeEngine:
    (tmp_path / "bin").mkdir()
    return NativeEngine(
        engine_dir=tmp_path, registry_dir=tmp_path / "registry", socket_dir=tmp_path / "run"
    )


def program(engine: NativeEngine, name: str, script: str) -> None:
    path = engine.bin_dir / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def install(engine: NativeEngine, script: str) -> None:
    """Put a stand-in for the supervisor, and the names of the rest, into the folder."""
    for name in PROGRAMS:
        program(engine, name, "exit 1")
    program(engine, "orkee-engine", script)


async def test_an_engine_that_is_not_built_is_named_with_the_remedy(engine: NativeEngine) -> None:
    assert not engine.installed()
    with pytest.raises(OrkeeError, match="orkee engine install") as caught:
        await engine.start()
    assert caught.value.code == "no_engine"


async def test_the_reason_of_a_failed_start_is_the_logs_last_word(engine: NativeEngine) -> None:
    install(engine, "echo noise; echo 'orkee-engine: ids are missing' >&2; echo more; exit 1")
    with pytest.raises(OrkeeError, match="ids are missing") as caught:
        await engine.start()
    assert caught.value.code == "no_engine"
    assert "noise" in caught.value.details["log"]


async def test_a_stopped_engine_has_a_status_and_stops(engine: NativeEngine) -> None:
    assert (await engine.status())["state"] == "stopped"
    await engine.stop()


async def test_listener_and_lease_of_a_stopped_engine_are_refused(engine: NativeEngine) -> None:
    with pytest.raises(OrkeeError, match="does not run"):
        await engine.listener()
    with pytest.raises(OrkeeError, match="does not run"):
        async with engine.lease():
            pass


async def test_a_stale_socket_is_a_stopped_engine(
    engine: NativeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path)  # a short path for the socket
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind("run/control.sock")
    assert (await engine.status())["state"] == "stopped"


async def test_check_gives_the_supervisors_report(engine: NativeEngine) -> None:
    install(engine, """echo '{"ok": false, "problems": ["no runc"]}'""")
    assert (await engine.check())["problems"] == ["no runc"]


async def test_a_check_that_says_nothing_is_an_error(engine: NativeEngine) -> None:
    install(engine, "exit 1")
    with pytest.raises(OrkeeError) as caught:
        await engine.check()
    assert caught.value.code == "no_engine"


async def test_the_supervisor_inherits_no_secret(
    engine: NativeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    install(engine, "env >&2; exit 1")
    with pytest.raises(OrkeeError) as caught:
        await engine.start()
    log = "\n".join(caught.value.details["log"])
    assert "PATH=" in log
    assert "secret" not in log
    assert "OTEL" not in log
