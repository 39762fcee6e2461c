"""Fixtures of the evidence tests: a real engine, real servers, real kernels, and a leak check."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from orkee_jupyter.client import Client, Sandbox
from orkee_jupyter.dagger.native import NativeEngine
from orkee_jupyter.sandbox.model import Sandbox as Row
from orkee_jupyter.sandbox.model import Status
from orkee_jupyter.store.repository import DuckDBStore
from tests.runner import RUNNER

from .leaks import Before, check
from .servers import Server
from .world import World

LINKS = ("direct", "forwarded")
#: What the ids of two ended sandboxes of the shared servers begin with.
ALIKE = "abcdef"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here: it needs the engine."""
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]):
            item.add_marker(pytest.mark.engine)


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """Give the folders and the running engine of this run, and check what is left of it.

    Never skips: without an engine there is no evidence.
    """
    missing = NativeEngine().missing()
    assert not missing, f"the native engine lacks {', '.join(missing)}: run `make setup`"
    before = Before()
    made = World()
    try:
        made.start_engine()
        yield made
        made.start_engine()
        check(made, _rows(made))
    finally:
        made.remove()
    before.compare(made.folder)


def _rows(world: World) -> list[tuple[str, str]]:
    """Return the ids and states of the sandboxes of all servers, which have ended."""
    found = []
    databases = []
    for folder, inside, files in os.walk(world.folder):
        # Not the engine's own state, where files come and go.
        inside[:] = [name for name in inside if not name.startswith("engine-")]
        databases += [Path(folder, name) for name in files if name.endswith(".duckdb")]
    for database in databases:
        with duckdb.connect(str(database), read_only=True) as connection:
            found += connection.execute("SELECT id, status FROM sandbox_sessions").fetchall()
    return [row for row in found if not row[0].startswith(ALIKE)]


async def _write_history(database: Path) -> None:
    store = await DuckDBStore.open(database)
    for number in (1, 2):
        sandbox_id = f"{ALIKE}{number}".ljust(32, "0")
        times = {"created_at": number, "last_active_at": number, "expires_at": 9}
        row = Row(sandbox_id, "local", Status.CREATING, "debian", "debian:bookworm-slim", **times)
        await store.insert(row)
        await store.update(row.with_(status=Status.TERMINATED, reason="stopped"))
    await store.close()


@pytest.fixture(scope="session")
def servers(world: World) -> Iterator[dict[str, Server]]:
    """Give a server for each link, for the tests that break nothing."""
    running = {
        link: Server(
            world,
            link,
            f"--OrkeeExtension.link={link}",
            "--OrkeeExtension.log_level=20",
            "--OrkeeExtension.reap_interval=86400",  # a test that wants it calls for it
        )
        for link in (LINKS if RUNNER is None else LINKS[1:])
    }
    try:
        for server in running.values():
            asyncio.run(_write_history(server.database))
            server.launch()
        for server in running.values():
            server.wait_until_up()
        # In Docker both names are the one server that there is: for tests to which the link
        # does not matter. Those to which it does are left out.
        yield dict.fromkeys(LINKS, running["forwarded"]) | running
    finally:
        for server in running.values():
            server.stop()


@pytest.fixture(params=LINKS)
def server(request: pytest.FixtureRequest, servers: dict[str, Server]) -> Server:
    """Give a shared server, once for each link."""
    return servers[request.param]


@pytest.fixture
def direct(servers: dict[str, Server]) -> Server:
    """Give the shared server with the direct link, where the link does not matter."""
    return servers["direct"]


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """Give a client of a shared server, once for each link."""
    with server.client() as made:
        yield made


@pytest.fixture
def sandbox(client: Client) -> Iterator[Sandbox]:
    """Give a sandbox with a shell, once for each link."""
    with client.create("debian") as made:
        yield made


@pytest.fixture
def own_server(world: World, request: pytest.FixtureRequest) -> Iterator[Callable[..., Server]]:
    """Give what starts servers for one test, which may do to them what it likes."""
    made: list[Server] = []

    def start(*options: str, **arguments: object) -> Server:
        name = f"{request.node.name.replace('[', '-').rstrip(']')}-{len(made)}"
        server = Server(world, name, *options, **arguments)  # type: ignore[arg-type]
        made.append(server)
        return server.start()

    yield start
    for server in made:
        server.stop()
