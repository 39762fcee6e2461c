"""Server, manager and DuckDB together; only engine and containers are fakes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from orkee_jupyter.sandbox.manager import SandboxManager
from orkee_jupyter.sandbox.templates import TemplateCatalogue
from orkee_jupyter.server import wiring
from orkee_jupyter.server.watchdog import LoopLag
from orkee_jupyter.store.repository import DuckDBStore
from orkee_jupyter.store.shelf import SnapshotShelf
from tests.fakes.engine import FakeEngine
from tests.fakes.hub import FakeHub
from tests.server.conftest import clients, running
from tests.server.test_openapi import check

pytestmark = pytest.mark.asyncio
CREATES = 20


class Clock:
    """The machine's time."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@pytest.fixture
def engine(home: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """The engine of the server that is wired next."""
    clock = Clock()
    hub = FakeHub(clock)
    engine = FakeEngine(boot=hub.dial)

    async def build(options: wiring.Options, publish: Any) -> wiring.Wired:
        store = await DuckDBStore.open(home / "sandboxes.duckdb")
        manager = SandboxManager(
            store=store,
            engine=engine,
            hub=hub,
            templates=TemplateCatalogue(),
            shelf=SnapshotShelf(home / "snapshots"),
            settings=options.settings,
            publish=publish,
        )
        await manager.startup()
        stops = (("manager", 5.0, manager.shutdown), ("store", 2.0, store.close))
        return wiring.Wired(manager, stops)

    monkeypatch.setattr(wiring, "build", build)
    return engine


@pytest_asyncio.fixture
async def unix(home: Path, engine: FakeEngine) -> AsyncIterator[httpx.AsyncClient]:
    async with running(home) as app, clients(app) as (_, unix):
        yield unix


async def test_create_exec_logs_and_delete(unix: httpx.AsyncClient) -> None:
    body = {"name": "web", "command": ["sleep"], "ports": [3000], "ttl": "30m"}
    answer = await unix.post("/sandbox", json=body)
    check("SandboxAnswer", answer.json())
    assert (answer.status_code, answer.json()["sandbox"]["ports"]) == (201, [3000])
    executed = await unix.post("/sandbox/web/exec", json={"command": ["echo", "hi"]})
    lines = [json.loads(line) for line in executed.text.splitlines() if line]
    for line in lines:
        check("ExecLine", line)
    assert (lines[1]["text"], lines[-1]["exit_code"]) == ("hi\n", 0)
    assert (await unix.get("/sandbox/web/logs")).status_code == 200
    assert (await unix.delete("/sandbox/web")).json()["sandbox"]["status"] == "terminated"
    assert (await unix.delete("/sandbox/web")).json()["code"] == "sandbox_not_active"


async def test_a_page_and_what_can_be_made(unix: httpx.AsyncClient) -> None:
    for name in ("a", "b"):
        await unix.post("/sandbox", json={"name": name, "labels": {"k": name}})
    page = (await unix.get("/sandbox?limit=1")).json()
    rest = (await unix.get("/sandbox", params={"cursor": page["next"]})).json()
    both = [each["name"] for each in page["sandboxes"] + rest["sandboxes"]]
    assert (both, rest["next"]) == (["b", "a"], None)
    labelled = (await unix.get("/sandbox?label=k=a&status=active")).json()["sandboxes"]
    assert [each["name"] for each in labelled] == ["a"]
    for path, schema in (("/templates", "TemplatesAnswer"), ("/engine", "EngineAnswer")):
        check(schema, (await unix.get(path)).json())


async def test_a_stop_of_the_server_ends_every_sandbox(home: Path, engine: FakeEngine) -> None:
    async with running(home) as app, clients(app) as (_, unix):
        for _ in range(3):
            await unix.post("/sandbox", json={})
        assert len(engine.running) == 3
    assert engine.running == {}


async def test_twenty_creates_at_once_do_not_keep_the_loop(unix: httpx.AsyncClient) -> None:
    await unix.post("/sandbox", json={})  # what is loaded once is loaded
    async with LoopLag(max=0.1) as lag:  # the clients run on this loop too
        answers = await asyncio.gather(*(unix.post("/sandbox", json={}) for _ in range(CREATES)))
    assert {answer.status_code for answer in answers} == {201}
    assert lag.stalls == [], lag.stalls[-1].stack
    assert len({answer.json()["sandbox"]["id"] for answer in answers}) == CREATES
