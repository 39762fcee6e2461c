"""Which server a client speaks to, and how it starts one."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orkee_jupyter import paths
from orkee_jupyter.client import OrkeeError, Sandbox, discovery

from .stub_server import TOKEN, StubServer

#: A server of a few lines: says that it was started, listens, waits for its end.
HEADLESS = """
import os, signal, socket, sys
folder, name = sys.argv[1:]
with open(folder + "/started", "a") as file:
    file.write(f"{os.getpid()}\\n")
with socket.socket(socket.AF_UNIX) as server:
    server.bind(f"{folder}/{name}")
    server.listen()
    signal.pause()
"""


def command(folder: Path) -> list[str]:
    return [sys.executable, "-c", HEADLESS, str(folder), "server-9.sock"]


@pytest.fixture
def started(machine: Path) -> Iterator[Path]:
    """Return the file of started servers' pids, and end those after the test."""
    path = machine / "started"
    yield path
    for pid in path.read_text().split() if path.exists() else []:
        os.kill(int(pid), signal.SIGKILL)


def test_an_explicit_url_comes_first(stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORKEE_URL", "http://other:1/")
    assert discovery.find("http://given:2/x", "t") == discovery.Address(
        "http://given:2/x/", token="t"
    )
    found = discovery.find()
    assert (found.url, found.token) == ("http://other:1/", None)


def test_environment_gives_url_and_token(stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORKEE_URL", stub.url)
    monkeypatch.setenv("ORKEE_TOKEN", TOKEN)
    assert Sandbox.create().status == "active"


def test_an_inherited_socket_comes_before_newer_ones(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StubServer(machine / "own.sock") as own, StubServer(machine / "server-2.sock") as newer:
        monkeypatch.setenv("ORKEE_SOCKET", str(own.socket_path))
        assert discovery.find().socket == str(own.socket_path)
        own.close()
        assert discovery.find().socket == str(newer.socket_path)


def test_the_newest_live_socket_is_taken(machine: Path) -> None:
    with StubServer(machine / "server-1.sock"), StubServer(machine / "server-2.sock") as newer:
        (machine / "server-3.sock").touch()  # no socket at all
        os.utime(newer.socket_path, (2_000_000_000, 2_000_000_000))
        assert discovery.find().socket == str(newer.socket_path)


def test_a_client_looks_again_when_its_server_has_gone(machine: Path) -> None:
    with StubServer(machine / "server-1.sock"):
        Sandbox.create()
    with StubServer(machine / "server-2.sock") as second:
        Sandbox.create()
        assert len(second.sandboxes) == 1


@pytest.mark.parametrize(
    ("url", "base", "token"),
    [
        ("http://h:8888", "http://h:8888/", None),
        ("https://h/a%40b/lab?token=abc", "https://h/a%40b/", "abc"),
        ("http://h:8888/tree", "http://h:8888/", None),
        ("http://[::1]:8888/x/", "http://[::1]:8888/x/", None),
    ],
)
def test_a_url_may_be_the_one_a_browser_shows(url: str, base: str, token: str | None) -> None:
    address = discovery.from_url(url)
    assert (address.url, address.token) == (base, token)


def test_a_url_may_be_a_unix_socket(stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORKEE_URL", f"unix://{stub.socket_path}")
    assert Sandbox.create().status == "active"


@pytest.mark.parametrize("url", ["localhost:8888", "ftp://h/", "http://", "http://h:99999/", "h"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(OrkeeError) as caught:
        discovery.from_url(url)
    assert caught.value.code == "invalid_request"


def test_a_base_url_with_escapes_is_kept(machine: Path) -> None:
    with StubServer(machine / "server-1.sock", base_url="/a%40b/") as server:
        address = discovery.from_url(server.url + "lab?token=" + TOKEN)
        assert address.url.endswith("/a%40b/")


def test_a_headless_server_is_started_detached(machine: Path, started: Path) -> None:
    address = discovery.start_headless(command(machine))
    pid = int(started.read_text())
    assert address.socket == str(machine / "server-9.sock")
    assert os.getsid(pid) == pid
    log = paths.data_dir() / "logs" / "headless.log"
    assert log.stat().st_mode & 0o777 == 0o600


def test_of_many_clients_at_once_one_starts_a_server(machine: Path, started: Path) -> None:
    found: list[discovery.Address] = []
    threads = [
        threading.Thread(target=lambda: found.append(discovery.start_headless(command(machine))))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(started.read_text().split()) == 1


def test_a_server_that_ends_at_once_is_reported_with_its_last_words(machine: Path) -> None:
    words = "print('http://h/?token=abc', flush=True); raise SystemExit('no room')"
    with pytest.raises(OrkeeError) as caught:
        discovery.start_headless([sys.executable, "-c", words])
    error = caught.value
    assert error.code == "server_unreachable"
    assert "exit code 1" in error.cause
    assert "no room" in error.cause
    assert "headless.log" in error.remedy
    assert "abc" not in str(error.details)


def test_a_server_that_hangs_is_ended(machine: Path) -> None:
    hang = "import os, sys, signal; print(os.getpid(), flush=True); signal.pause()"
    with pytest.raises(OrkeeError) as caught:
        discovery.start_headless([sys.executable, "-c", hang], timeout=1)
    assert "did not open its socket" in caught.value.cause
    pid = int(caught.value.details["tail"][0])
    assert not (Path("/proc") / str(pid)).exists()


def test_a_start_that_is_not_wanted_is_not_made(machine: Path) -> None:
    with pytest.raises(OrkeeError) as caught:
        discovery.find(start=False)
    assert caught.value.code == "server_unreachable"
