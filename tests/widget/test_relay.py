"""The thread that carries calls: it begins with the first dashboard and ends with the last."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from orkee_jupyter.widget import relay as relay_module
from orkee_jupyter.widget.relay import THREAD, Channel, Relay

NOWHERE = "http://127.0.0.1:9/"  # nothing answers there, and nothing is started


@pytest.fixture
def relay() -> Iterator[Relay]:
    made = Relay()
    yield made
    made.stop()


class Said:
    """What a channel publishes; ``wait`` blocks until something came."""

    def __init__(self) -> None:
        self.messages: list[Mapping[str, Any]] = []
        self.threads: set[str] = set()
        self._came = threading.Event()

    def __call__(self, message: Mapping[str, Any]) -> None:
        self.threads.add(threading.current_thread().name)
        self.messages.append(message)
        self._came.set()

    def wait(self) -> Mapping[str, Any]:
        assert self._came.wait(10)
        self._came.clear()
        return self.messages[-1]


def ask(channel: Channel, view: str = "v", number: int = 1) -> None:
    channel.receive(
        {"view": view, "kind": "request", "id": number, "method": "GET", "path": "templates"}
    )


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name == THREAD]


def test_a_call_is_answered_from_the_relays_thread(relay: Relay) -> None:
    said = Said()
    ask(relay.open(said, url=NOWHERE))
    (item,) = said.wait()["items"]
    assert item["problem"]["code"] == "server_unreachable"
    assert said.threads == {THREAD}


def test_the_thread_ends_with_the_last_channel_and_begins_again(relay: Relay) -> None:
    one, other = relay.open(Said(), url=NOWHERE), relay.open(Said(), url=NOWHERE)
    thread = relay._thread
    assert thread is not None
    one.close()
    assert relay.runs
    other.close()
    thread.join(5)
    assert not thread.is_alive()
    said = Said()
    ask(relay.open(said, url=NOWHERE))
    said.wait()
    assert relay._thread is not thread


def test_stopping_ends_everything_and_may_be_done_twice(relay: Relay) -> None:
    said = Said()
    channel = relay.open(said, url=NOWHERE)
    ask(channel)
    said.wait()
    relay.stop()
    assert not relay.runs
    relay.stop()
    channel.receive({})  # too late, and harmless
    channel.close()


def test_what_cannot_be_read_harms_nobody(relay: Relay) -> None:
    said = Said()
    channel = relay.open(said, url=NOWHERE)
    for content in (None, 5, {}, {"view": "v"}, {"view": "v", "kind": "nonsense", "id": 1}):
        channel.receive(content)
    ask(channel)
    assert said.wait()["view"] == "v"


def test_a_refused_call_is_answered_to_its_view(relay: Relay) -> None:
    said = Said()
    channel = relay.open(said, url=NOWHERE)
    channel.receive({"view": "v", "kind": "request", "id": 4, "method": "GET", "path": "../api"})
    (item,) = said.wait()["items"]
    assert (item["id"], item["problem"]["code"]) == (4, "invalid_path")


def test_each_view_has_numbers_of_its_own(relay: Relay) -> None:
    said = Said()
    channel = relay.open(said, url=NOWHERE)
    for view in ("a", "b"):
        ask(channel, view)
        assert (said.wait()["view"], said.messages[-1]["n"]) == (view, 1)


def test_a_kernel_that_does_not_publish_any_more_ends_the_channel(relay: Relay) -> None:
    def broken(message: Mapping[str, Any]) -> None:
        raise RuntimeError("the socket is closed")

    ask(relay.open(broken, url=NOWHERE))
    thread = relay._thread
    assert thread is not None
    thread.join(10)
    assert not thread.is_alive()


def test_an_interpreter_ends_at_once_though_a_dashboard_is_open() -> None:
    code = (
        "from orkee_jupyter.widget.relay import relay\n"
        f"relay.open(print, url={NOWHERE!r}).receive("
        "{'view': 'v', 'kind': 'live-open', 'id': 1})\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_libraries_log_in_the_thread_reaches_no_cell(
    relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        said = Said()
        ask(relay.open(said, url=NOWHERE))
        said.wait()
    assert [each for each in caplog.records if each.name.startswith(("http", "asyncio"))] == []


@pytest.mark.parametrize("is_heard", [True, False])
def test_a_view_whose_page_was_closed_is_dropped_unless_a_cell_keeps_pages_from_being_heard(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, is_heard: bool
) -> None:
    monkeypatch.setattr(relay_module, "_LOOK", 0.005)
    looks = threading.Semaphore(0)

    def ask_kernel(hearing: object) -> bool:
        looks.release()
        return is_heard

    monkeypatch.setattr(relay_module._Hearing, "ask", ask_kernel)
    said = Said()
    channel = relay.open(said, url=NOWHERE)
    ask(channel)
    said.wait()
    monkeypatch.setattr(relay_module, "SILENCE", 0.02)  # not before: an answer may take longer
    while looks.acquire(blocking=False):
        pass
    for _ in range(20):
        assert looks.acquire(timeout=5)
    assert bool(channel._views) is not is_heard
