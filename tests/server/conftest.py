"""A real Jupyter server in the test's own loop, over a stub manager or a given wiring."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from jupyter_server.serverapp import ServerApp

from orkee_jupyter.server import wiring
from orkee_jupyter.server.app import OrkeeExtension
from tests.server.stub import StubManager

TOKEN = "secret-token"
BASE = "/a%40b/"


@dataclass
class Running:
    """A server that runs, and how to reach it."""

    app: ServerApp
    manager: StubManager
    http: httpx.AsyncClient  # with the token, relative to the interface
    unix: httpx.AsyncClient  # over the unix socket, relative to it too

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.app.port}"

    @property
    def extension(self) -> OrkeeExtension:
        extension = self.app.web_app.settings["orkee_jupyter"]
        assert isinstance(extension, OrkeeExtension)
        return extension


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own, with a short name: a socket's path takes 107 bytes."""
    root = Path(tempfile.mkdtemp(prefix="orkee-test-"))
    for name in ("CONFIG", "DATA", "RUNTIME"):
        monkeypatch.setenv(f"JUPYTER_{name}_DIR", str(root / f"jupyter-{name.lower()}"))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "HOME"):
        (root / name.lower()).mkdir(mode=0o700)
        monkeypatch.setenv(name, str(root / name.lower()))
    for name in ("ORKEE_SOCKET", "JUPYTERHUB_USER"):
        monkeypatch.delenv(name, raising=False)
    yield root
    shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (1, 2, 10, 15)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


@contextlib.asynccontextmanager
async def running(home: Path, *options: str) -> AsyncIterator[ServerApp]:
    """A server with the extension, from its start to its stop."""
    root = home / "notebooks"
    root.mkdir(exist_ok=True)
    with _signals():
        app = ServerApp.instance()
        arguments = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": "0",
            "ServerApp.base_url": BASE,
            "ServerApp.root_dir": str(root),
            "ServerApp.open_browser": "False",
            "ServerApp.allow_root": "True",
            "ServerApp.jpserver_extensions": "orkee_jupyter=True",
            "ServerApp.log_level": "ERROR",
            "IdentityProvider.token": TOKEN,
        }
        try:
            argv = [f"--{key}={value}" for key, value in arguments.items()]
            app.initialize([*argv, *options], find_extensions=False)
            await app.extension_manager.start_all_extensions()
            yield app
        finally:
            await app._cleanup()
            ServerApp.clear_instance()


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> StubManager:
    """The manager that the next server will have."""
    stub = StubManager()

    async def build(options: Any, publish: Any) -> wiring.Wired:
        stub.options, stub.publish = options, publish  # type: ignore[attr-defined]
        return wiring.Wired(stub, (("manager", 2.0, stub.shutdown),))  # type: ignore[arg-type]

    monkeypatch.setattr(wiring, "build", build)
    return stub


@pytest_asyncio.fixture
async def server(home: Path, manager: StubManager) -> AsyncIterator[Running]:
    async with running(home) as app, clients(app) as (http, unix):
        yield Running(app, manager, http, unix)


@contextlib.asynccontextmanager
async def clients(app: ServerApp) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """A client with the token over TCP, and one over the unix socket."""
    transport = httpx.AsyncHTTPTransport(uds=os.environ["ORKEE_SOCKET"])
    async with (
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{app.port}{BASE}orkee/api",
            headers={"Authorization": f"token {TOKEN}"},
            timeout=10,
        ) as http,
        httpx.AsyncClient(
            base_url="http://orkee/orkee/api", transport=transport, timeout=10
        ) as unix,
    ):
        yield http, unix


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something that no event announces."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
