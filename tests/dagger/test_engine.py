"""The engine object on a session without an engine: start, loss, and the end of it all."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from orkee_jupyter.dagger.engine import DaggerEngine
from orkee_jupyter.dagger.native import NativeEngine
from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.ports import ContainerDefinition, Endpoint

from .fake_session import FakeSession, Steps, cli, script
from .native_case import until
from .test_bases import Gate

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("no_lost_errors", "nothing_left")]


@pytest_asyncio.fixture
async def engine(
    fake: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[DaggerEngine]:
    """Give an engine whose address answers and whose ``dagger`` is a script."""
    command = cli(tmp_path / "dagger", fake, before=f"echo $$ >> {tmp_path}/pids")
    monkeypatch.setenv("_EXPERIMENTAL_DAGGER_CLI_BIN", str(command))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr("orkee_jupyter.dagger.engine.binary", lambda arch: tmp_path / "sandboxd")
    native = NativeEngine(engine_dir=tmp_path, registry_dir=tmp_path, socket_dir=tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = DaggerEngine(f"tcp://127.0.0.1:{server.getsockname()[1]}", tmp_path, native=native)
        yield made
        await made.close()


def definition(sandbox: str = "a") -> ContainerDefinition:
    return ContainerDefinition(sandbox, "x:1", (), "/app", Endpoint("forwarded", "t", "/s"))


def quiet(step: str) -> None: ...


def sessions(tmp_path: Path) -> list[int]:
    """Return the pids of all sessions that were started."""
    return [int(line) for line in (tmp_path / "pids").read_text().split()]


async def test_callers_at_once_share_one_session(engine: DaggerEngine, tmp_path: Path) -> None:
    await asyncio.gather(*(engine.start(definition(each), quiet) for each in "abc"))
    assert len(sessions(tmp_path)) == 1
    assert (await engine.status())["session"]["pid"] == sessions(tmp_path)[0]


async def test_nothing_is_left_after_the_close(engine: DaggerEngine) -> None:
    await engine.start(definition(), quiet)
    await asyncio.gather(engine.close(), engine.close())
    await engine.close()
    await engine.stop("a")
    with pytest.raises(OrkeeError, match="stopping"):
        await engine.start(definition(), quiet)


async def test_a_lost_session_is_told_and_replaced(engine: DaggerEngine, tmp_path: Path) -> None:
    lost: list[tuple[list[str], str]] = []
    told = asyncio.Event()

    def note(ids: object, reason: str) -> None:
        lost.append((list(ids), reason))  # type: ignore[call-overload]
        told.set()

    engine.on_lost(note)
    await engine.start(definition(), quiet)
    os.kill(sessions(tmp_path)[0], signal.SIGKILL)
    await asyncio.wait_for(told.wait(), 5)
    assert lost == [(["a"], "the engine's session ended")]
    await engine.start(definition("b"), quiet)
    assert len(sessions(tmp_path)) == 2


async def test_a_session_that_ran_out_of_memory_is_told_as_that(
    engine: DaggerEngine, tmp_path: Path, fake: FakeSession
) -> None:
    told: asyncio.Queue[tuple[list[str], str]] = asyncio.Queue()
    engine.on_lost(lambda ids, reason: told.put_nowait((list(ids), reason)))
    trap = "trap 'echo fatal error: runtime: out of memory >&2; exit 2' USR1"
    words = f"echo $$ >> {tmp_path}/pids; {trap}; echo '{fake.line}'; while :; do sleep 0.02; done"
    script(tmp_path / "dagger", words)
    await engine.start(definition(), quiet)
    os.kill(sessions(tmp_path)[0], signal.SIGUSR1)
    lost = await asyncio.wait_for(told.get(), 5)
    assert lost == (["a"], "the engine's session ended: it used more than 1 GiB of memory")


async def test_a_session_whose_engine_is_gone_is_told_and_replaced(
    engine: DaggerEngine, fake: FakeSession, tmp_path: Path
) -> None:
    told: asyncio.Queue[tuple[list[str], str]] = asyncio.Queue()
    engine.on_lost(lambda ids, reason: told.put_nowait((list(ids), reason)))
    await engine.start(definition(), quiet)
    fake.broken = 1  # the session is there, and answers for nobody
    await engine.start(definition("b"), quiet)
    lost = await asyncio.wait_for(told.get(), 5)
    assert lost == (["a"], "the engine's session ended")
    assert len(sessions(tmp_path)) == 2


async def test_a_call_that_meets_no_engine_ends_the_session(
    engine: DaggerEngine, fake: FakeSession, tmp_path: Path
) -> None:
    await engine.start(definition(), quiet)
    fake.broken = 1
    with pytest.raises(OrkeeError) as caught:
        await engine.stop("a")
    assert caught.value.code == "engine_lost"
    assert "the engine does not answer" in caught.value.cause
    assert (await engine.status())["session"] is None


async def test_a_close_is_no_loss(engine: DaggerEngine) -> None:
    lost: list[object] = []
    engine.on_lost(lambda ids, reason: lost.append(ids))
    await engine.start(definition(), quiet)
    await engine.close()
    await asyncio.sleep(0)
    assert lost == []


async def test_a_close_ends_a_start_under_way(engine: DaggerEngine, fake: FakeSession) -> None:
    gate = fake.answer = Gate()
    start = asyncio.create_task(engine.start(definition(), quiet))
    await asyncio.wait_for(gate.reached.wait(), 5)
    await engine.close()
    gate.open.set()
    with pytest.raises(OrkeeError) as caught:
        await start
    assert caught.value.code == "engine_lost"


async def test_a_close_ends_a_connection_under_way(
    engine: DaggerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"echo $$ > {tmp_path}/pids; exec cat"
    monkeypatch.setenv("_EXPERIMENTAL_DAGGER_CLI_BIN", str(script(tmp_path / "silent", text)))
    start = asyncio.create_task(engine.prepare(quiet))
    await asyncio.to_thread(until, (tmp_path / "pids").exists, 5)
    await engine.close()
    with pytest.raises(OrkeeError) as caught:
        await start
    assert caught.value.code == "engine_lost"


async def test_a_stopped_session_does_not_hold_up_the_close(
    engine: DaggerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orkee_jupyter.dagger.session.END_TIMEOUT", 0.1)
    await engine.prepare(quiet)
    os.kill(sessions(tmp_path)[0], signal.SIGSTOP)
    await asyncio.wait_for(engine.close(), 4)


async def test_a_cancelled_start_is_finished_and_can_be_stopped(
    engine: DaggerEngine, fake: FakeSession
) -> None:
    gate = Gate()

    def answer(steps: Steps) -> None:
        if steps[-1][0] == "start":
            gate([("sync", {})])

    fake.answer = answer
    start = asyncio.create_task(engine.start(definition(), quiet))
    await asyncio.wait_for(gate.reached.wait(), 5)
    start.cancel()
    await asyncio.wait({start})
    stop = asyncio.create_task(engine.stop("a"))
    gate.open.set()
    await stop
    assert fake.count("stop") == 1


async def test_a_sandbox_stopped_during_the_pull_gets_no_container(
    engine: DaggerEngine, fake: FakeSession
) -> None:
    gate = fake.answer = Gate()
    start = asyncio.create_task(engine.start(definition(), quiet))
    await asyncio.wait_for(gate.reached.wait(), 5)
    await engine.stop("a")
    gate.open.set()
    with pytest.raises(OrkeeError) as caught:
        await start
    assert caught.value.code == "sandbox_lost"
    assert fake.count("start") == 0


async def test_a_session_that_cannot_be_started_is_tried_again(
    engine: DaggerEngine, fake: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = tmp_path / "works"
    before = f"[ -e {flag} ] || {{ echo 'no driver' >&2; exit 1; }}"
    monkeypatch.setenv("_EXPERIMENTAL_DAGGER_CLI_BIN", str(cli(tmp_path / "d", fake, before)))
    with pytest.raises(OrkeeError, match="no driver"):
        await engine.prepare(quiet)
    flag.touch()
    await engine.prepare(quiet)


async def test_an_engine_that_is_not_ours_has_no_direct_listener(engine: DaggerEngine) -> None:
    assert await engine.direct_listener() is None


async def test_a_close_without_a_start_begins_nothing(tmp_path: Path) -> None:
    made = DaggerEngine(None, tmp_path)
    await made.close()
    await made.close()
    assert (await made.status())["session"] is None


async def test_a_workspace_given_up_without_an_engine_is_emptied_by_the_next_session(
    engine: DaggerEngine, fake: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = tmp_path / "works"
    before = f"[ -e {flag} ] || {{ echo 'no driver' >&2; exit 1; }}"
    monkeypatch.setenv("_EXPERIMENTAL_DAGGER_CLI_BIN", str(cli(tmp_path / "d", fake, before)))
    for sandbox in "ab":
        with pytest.raises(OrkeeError, match="no driver"):
            await engine.empty_workspace(sandbox)
    owed = tmp_path / "workspaces-to-empty"
    assert sorted(path.name for path in owed.iterdir()) == ["a", "b"]
    flag.touch()
    await engine.prepare(quiet)
    until(lambda: not list(owed.iterdir()))
    assert fake.count("sync") == 1
