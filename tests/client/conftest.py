"""The stub server, an empty machine around it, and nothing inherited."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orkee_jupyter import paths
from orkee_jupyter.client import discovery
from orkee_jupyter.client._sync import defaults

from .stub_server import StubServer


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the test runtime and data folders of its own; return the runtime folder."""
    for name in ("ORKEE_URL", "ORKEE_TOKEN", "ORKEE_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    # Short, for a socket's path takes 107 bytes and pytest's own folders are long.
    with tempfile.TemporaryDirectory(prefix="orkee-test-") as folder:
        for name in ("XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            monkeypatch.setenv(name, folder)
        monkeypatch.setattr(defaults, "_connections", {})
        monkeypatch.setattr(discovery, "HEADLESS_COMMAND", ("false",))
        yield paths.runtime_dir()


@pytest.fixture
def stub(machine: Path) -> Iterator[StubServer]:
    """Run a stub server where discovery finds it."""
    with StubServer(machine / "server-1.sock") as server:
        yield server
