"""Fixtures of the engine's tests."""

from __future__ import annotations

import contextlib
import gc
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from .fake_session import FakeSession
from .native_case import until


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSession]:
    """Give a session without an engine, whose schema no other session takes over."""
    monkeypatch.setattr("orkee_jupyter.dagger.session._schema", None)
    made = FakeSession()
    yield made
    made.close()


@pytest.fixture
def no_lost_errors(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail when asyncio complains of an exception that nobody retrieved, or a lost task."""
    with caplog.at_level(logging.WARNING, logger="asyncio"), _collected():
        yield
    names = ("asyncio", "concurrent.futures")
    complaints = [each.getMessage() for each in caplog.records if each.name in names]
    assert complaints == []


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Fail when a test leaves a thread of ours, a child process or a descriptor behind."""
    before = _traces()
    with _collected():
        yield
    until(lambda: _traces() <= before, 5)


@contextlib.contextmanager
def _collected() -> Iterator[None]:
    """Collect the garbage of what runs in here, quickly: older objects are not looked at."""
    gc.freeze()  # and never unfreeze: each collection would look at everything again
    yield
    gc.collect()


def _traces() -> set[str]:
    threads = {f"thread {t.name}" for t in threading.enumerate() if t.name.startswith("orkee")}
    found: set[str] = set()
    for children in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has just ended
            found |= {f"child {pid}" for pid in children.read_text().split()}
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the listing's own
            found.add(f"file {entry.name} {entry.readlink()}")
    return threads | {each for each in found if "/proc/" not in each}
