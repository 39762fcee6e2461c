"""Start and stop of a whole server process, whatever comes in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.slow

Start = Callable[..., "Process"]


class Process:
    """A fake server's process."""

    def __init__(self, home: Path, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
        self.report = home / f"report-{len(list(home.glob('report-*')))}"
        self.report.touch()
        self.sockets = home / "xdg_runtime_dir" / "orkee"
        self.log = self.report.with_suffix(".log")
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "tests.server.fake_server", *arguments],
                env={**os.environ, "ORKEE_TEST_REPORT": str(self.report), **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.socket = self.sockets / f"server-{self.popen.pid}.sock"

    def lines(self) -> list[str]:
        return self.report.read_text().splitlines()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert self.popen.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def end(self, seconds: float = 12.0) -> int:
        return self.popen.wait(seconds)

    def get(self, path: str) -> httpx.Response:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket))) as client:
            return client.get(f"http://orkee/orkee/api{path}", timeout=10)


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    started: list[Process] = []

    def run(*arguments: str, **environment: str) -> Process:
        process = Process(home, arguments, environment)
        started.append(process)
        return process

    yield run
    for process in started:
        if process.popen.poll() is None:
            process.popen.kill()
        process.popen.wait()


@pytest.mark.parametrize(
    "signals",
    [
        [signal.SIGTERM, signal.SIGTERM],
        [signal.SIGINT, signal.SIGINT],
        [signal.SIGHUP],
        [signal.SIGHUP, signal.SIGTERM, signal.SIGINT],
    ],
    ids=lambda signals: "-".join(each.name for each in signals),
)
def test_signals_stop_it_once_and_in_order(start: Start, signals: list[signal.Signals]) -> None:
    process = start("jupyter")
    process.wait_for(lambda: process.lines() == ["ready"])
    process.send(signals[0])
    process.wait_for(lambda: "stopping" in process.lines())
    for each in signals[1:]:
        process.send(each)
    process.end()
    assert process.lines() == ["ready", "stopping", "stopped", "left"]
    assert not process.socket.exists()


@pytest.mark.parametrize("stop", ["raise", "hang", "deaf"])
def test_a_stop_that_fails_or_hangs_does_not_keep_the_server(start: Start, stop: str) -> None:
    process = start("jupyter", ORKEE_TEST_STOP=stop)
    process.wait_for(lambda: process.lines() == ["ready"])
    process.send(signal.SIGTERM)
    process.send(signal.SIGTERM)
    process.end(10)
    assert "left" in process.lines()
    assert not process.socket.exists()


def test_a_failed_start_is_answered_and_the_server_lives(start: Start) -> None:
    process = start("jupyter", ORKEE_TEST_START="fail")
    process.wait_for(process.socket.exists)
    answer = process.get("/sandbox")
    assert (answer.status_code, answer.json()["code"]) == (503, "store_locked")
    assert answer.json()["detail"] == "Process 5 holds the database."
    process.send(signal.SIGTERM)
    process.end()


def test_a_headless_server_ends_itself_when_idle(start: Start) -> None:
    process = start("headless", "5")
    process.wait_for(process.socket.exists)
    process.wait_for(lambda: process.lines() == ["ready"])
    begin = time.monotonic()
    assert process.get("/engine").status_code == 200
    assert process.end(30) == 0
    assert time.monotonic() - begin >= 4.9
    assert process.lines() == ["ready", "stopping", "stopped", "exit 0"]
    assert not process.socket.exists()


def test_a_second_headless_server_leaves_the_first_alone(start: Start) -> None:
    first = start("headless", "60")
    first.wait_for(first.socket.exists)
    second = start("headless", "60")
    assert second.end(20) == 0
    assert second.lines() == ["exit 0"]
    assert first.get("/engine").status_code == 200
    first.send(signal.SIGTERM)
    assert first.end() == 0


def test_a_headless_server_serves_no_content_and_prints_no_token(start: Start, home: Path) -> None:
    process = start("headless", "60")
    info_file = home / "jupyter-runtime" / f"jpserver-{process.popen.pid}.json"
    process.wait_for(process.socket.exists)
    info = json.loads(info_file.read_text())
    with httpx.Client(headers={"Authorization": f"token {info['token']}"}) as client:
        paths = ["api/contents", "api/kernels", "api/terminals", "files/x"]
        statuses = {client.get(info["url"] + path).status_code for path in paths}
    assert (statuses, info["hostname"]) == ({404}, "127.0.0.1")
    assert info["token"] not in process.log.read_text()
