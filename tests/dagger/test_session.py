"""The session's process: start, death, and the end, with a stand-in for the command."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orkee_jupyter.dagger import memory_cap
from orkee_jupyter.dagger.session import Session, SessionConfig, session_environment
from orkee_jupyter.sandbox.errors import OrkeeError

from .fake_session import TOKEN, FakeSession, cli, script
from .native_case import until

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("no_lost_errors", "nothing_left")]


def config(tmp_path: Path, text: str, timeout: float = 20) -> SessionConfig:
    return SessionConfig(script(tmp_path / "dagger", text), None, tmp_path / "log", timeout)


async def refused(wanted: SessionConfig) -> OrkeeError:
    with pytest.raises(OrkeeError) as caught:
        await Session.start(wanted, lambda _: None)
    assert caught.value.code == "no_engine"
    return caught.value


async def started(
    tmp_path: Path, fake: FakeSession, on_end: Callable[[Session], None] = lambda _: None
) -> Session:
    command = cli(tmp_path / "dagger", fake)
    return await Session.start(SessionConfig(command, None, tmp_path / "log"), on_end)


async def test_a_session_answers_until_it_is_closed(tmp_path: Path, fake: FakeSession) -> None:
    session = await started(tmp_path, fake)
    assert await session.client.default_platform() == "linux/amd64"
    await session.close()
    await session.close()
    assert not alive(session.pid)


async def test_the_end_of_the_process_is_told_once(tmp_path: Path, fake: FakeSession) -> None:
    ended: list[Session] = []
    gone = asyncio.Event()

    def note(session: Session) -> None:
        ended.append(session)
        gone.set()

    session = await started(tmp_path, fake, note)
    os.kill(session.pid, signal.SIGKILL)
    await asyncio.wait_for(gone.wait(), 5)
    await session.close()
    assert ended == [session]


async def test_a_stopped_process_does_not_hold_up_the_close(
    tmp_path: Path, fake: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orkee_jupyter.dagger.session.END_TIMEOUT", 0.1)
    session = await started(tmp_path, fake)
    os.kill(session.pid, signal.SIGSTOP)
    await asyncio.wait_for(session.close(), 2)


async def test_a_child_that_holds_the_output_goes_with_the_session(
    tmp_path: Path, fake: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orkee_jupyter.dagger.session.END_TIMEOUT", 0.1)
    text = f"sleep 77 &\necho $! > {tmp_path}/child\necho '{fake.line}'\nwait"
    session = await Session.start(config(tmp_path, text), lambda _: None)
    child = int((tmp_path / "child").read_text())
    await asyncio.wait_for(session.close(), 2)
    until(lambda: not alive(child))


def alive(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


async def test_what_a_session_says_later_does_not_fill_its_pipe(
    tmp_path: Path, fake: FakeSession
) -> None:
    done = tmp_path / "done"
    text = f"echo '{fake.line}'; head -c 300000 /dev/zero; touch {done}; exec cat"
    session = await Session.start(config(tmp_path, text), lambda _: None)
    await asyncio.to_thread(until, done.exists, 5)
    await session.close()


async def test_a_death_at_the_start_is_told_with_the_logs_last_lines(tmp_path: Path) -> None:
    error = await refused(config(tmp_path, "echo 'driver not available' >&2; exit 1"))
    assert error.cause == "No Dagger session could be started: driver not available."
    assert error.details == {"reason": "it ended before it was ready"}


async def test_a_silent_death_at_the_start_has_a_reason_too(tmp_path: Path) -> None:
    error = await refused(config(tmp_path, "exit 1"))
    assert error.cause == "No Dagger session could be started: it ended before it was ready."


async def test_a_death_is_noticed_though_a_child_holds_the_output(tmp_path: Path) -> None:
    await asyncio.wait_for(refused(config(tmp_path, "sleep 2 & exit 1")), 1.5)


async def test_a_session_that_says_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orkee_jupyter.dagger.session.END_TIMEOUT", 0.1)
    error = await refused(config(tmp_path, "sleep 77", timeout=0.1))
    assert error.cause.endswith("it was not ready in 0.1 s.")


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"port": 0, "session_token": "SECRET"}'])
async def test_a_first_line_that_means_nothing_is_refused_and_not_shown(
    tmp_path: Path, line: str
) -> None:
    error = await refused(config(tmp_path, f"echo '{line}'; exec cat"))
    assert "where it listens" in error.cause
    assert "SECRET" not in str(error)


async def test_a_port_that_nobody_serves_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orkee_jupyter.dagger.session._schema", None)
    line = f'{{"port": 1, "session_token": "{TOKEN}"}}'
    error = await refused(config(tmp_path, f"echo '{line}'; exec cat"))
    assert TOKEN not in str(error)


async def test_a_command_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    error = await refused(SessionConfig(tmp_path / "nothing", None, tmp_path / "log"))
    assert "cannot be run: No such file or directory" in error.cause


async def test_a_start_that_is_cancelled_leaves_no_process(tmp_path: Path) -> None:
    text = f"echo $$ > {tmp_path}/pid; exec cat"
    start = asyncio.create_task(Session.start(config(tmp_path, text), lambda _: None))
    await asyncio.to_thread(until, lambda: (tmp_path / "pid").exists(), 5)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start


async def test_the_session_has_a_process_group_of_its_own_and_no_foreign_settings(
    tmp_path: Path, fake: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setenv("DAGGER_SESSION_TOKEN", "of another")
    command = cli(tmp_path / "dagger", fake, before=f"env > {tmp_path}/env")
    session = await Session.start(SessionConfig(command, "unix:///x", tmp_path / "log"), print)
    assert os.getpgid(session.pid) == session.pid != os.getpgid(0)
    await session.close()
    seen = (tmp_path / "env").read_text()
    assert "OTEL_" not in seen
    assert "DAGGER_SESSION_" not in seen
    assert "_EXPERIMENTAL_DAGGER_RUNNER_HOST=unix:///x" in seen


async def test_the_kernel_holds_the_session_to_its_memory(
    tmp_path: Path, fake: FakeSession
) -> None:
    command = cli(tmp_path / "dagger", fake, before=f"echo $GOMEMLIMIT > {tmp_path}/soft")
    capped = SessionConfig(command, None, tmp_path / "log", memory=512 << 20)
    session = await Session.start(capped, lambda _: None)
    hard, soft = resource.prlimit(session.pid, resource.RLIMIT_DATA), tmp_path / "soft"
    assert (hard, soft.read_text()) == ((512 << 20, 512 << 20), f"{384 << 20}\n")
    await session.close()


async def test_without_a_cap_the_session_is_left_alone(tmp_path: Path, fake: FakeSession) -> None:
    session = await started(tmp_path, fake)
    ours = resource.getrlimit(resource.RLIMIT_DATA)
    assert resource.prlimit(session.pid, resource.RLIMIT_DATA) == ours
    await session.close()


LAST_WORDS = {
    "out": "fatal error: runtime: out of memory",
    "refused": "fatal error: runtime: cannot allocate memory",
    "in use": "runtime: out of memory: cannot allocate 4194304-byte block (396165120 in use)",
}


@pytest.mark.parametrize("words", LAST_WORDS.values(), ids=LAST_WORDS)
async def test_a_session_that_ran_out_of_memory_is_told_by_its_last_words(
    tmp_path: Path, words: str
) -> None:
    log = tmp_path / "log"
    log.write_text(f"\n{words}\n\ngoroutine 1 [running]:\n" + "stack\n" * 50_000)
    assert memory_cap.was_reached(log, 2)


@pytest.mark.parametrize(
    ("exit_code", "words"),
    [
        (-9, LAST_WORDS["out"]),  # killed, whatever it said
        (None, LAST_WORDS["out"]),
        (2, "panic: out of memory, said a sandbox"),
        (2, ""),
    ],
)
async def test_any_other_end_is_not_taken_for_that(
    tmp_path: Path, exit_code: int | None, words: str
) -> None:
    (tmp_path / "log").write_text(words)
    assert not memory_cap.was_reached(tmp_path / "log", exit_code)
    assert not memory_cap.was_reached(tmp_path / "no-log", 2)


@pytest.mark.parametrize(
    "name",
    [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "DAGGER_SESSION_PORT",
        "DAGGER_SESSION_TOKEN",
        "TRACEPARENT",
        "TRACESTATE",
        "_EXPERIMENTAL_DAGGER_RUNNER_HOST",
        "_EXPERIMENTAL_DAGGER_CLI_BIN",
    ],
)
async def test_what_overrides_us_is_taken_out_of_the_environment(name: str) -> None:
    kept = session_environment({name: "x", "HOME": "/h", "PATH": "/bin"}, None)
    assert name not in kept
    assert kept["HOME"] == "/h"
    assert kept["PATH"] == "/bin:/usr/sbin:/sbin"


async def test_no_path_at_all_does_not_put_the_current_folder_on_it() -> None:
    assert session_environment({}, None)["PATH"] == "/usr/sbin:/sbin"


async def test_many_ends_at_once_are_quick(tmp_path: Path, fake: FakeSession) -> None:
    session = await started(tmp_path, fake)
    before = time.monotonic()
    await asyncio.gather(*(session.close() for _ in range(3)))
    assert time.monotonic() - before < 2
    assert threading.active_count() < 20


async def test_a_propagator_that_only_another_program_has_does_not_break_the_import() -> None:
    code = "import os, orkee_jupyter.dagger.session; print(os.environ['OTEL_PROPAGATORS'])"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code),
        env=os.environ | {"OTEL_PROPAGATORS": "of-another"},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert (process.returncode, output) == (0, b"of-another\n")
