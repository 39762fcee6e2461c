"""The extension as Jupyter sees it: found, configured, started and stopped."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.extension.config import ExtensionConfigManager
from jupyter_server.extension.manager import ExtensionPackage
from traitlets import TraitError

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.server import wiring
from orkee_jupyter.server.app import OrkeeExtension
from tests.server.conftest import Running, clients, running
from tests.server.stub import StubManager

ROOT = Path(__file__).parents[2]


def test_the_configuration_that_is_installed_enables_it() -> None:
    folder = str(ROOT / "jupyter-config")
    manager = ExtensionConfigManager(
        read_config_path=[folder], write_config_dir=folder, config_dir_name="jupyter_server_config"
    )
    assert manager.get_jpserver_extensions() == {"orkee_jupyter": True}


def test_jupyter_finds_a_valid_extension() -> None:
    package = ExtensionPackage(name="orkee_jupyter", enabled=True)
    assert package.validate()
    assert list(package.extension_points) == ["orkee_jupyter"]


def test_every_trait_is_explained() -> None:
    traits = OrkeeExtension.class_own_traits(config=True)
    assert {name for name, trait in traits.items() if not trait.help} == set()


@pytest.mark.parametrize("name", ["max_sandboxes", "default_ttl", "reap_interval", "log_limit"])
def test_a_trait_without_sense_is_refused(name: str) -> None:
    with pytest.raises(TraitError, match=f"{name} is not above 0"):
        OrkeeExtension(**{name: 0})


@pytest.mark.parametrize("size", [-1, 1, (256 << 20) - 1])
def test_a_session_has_enough_memory_or_no_cap(size: int) -> None:
    with pytest.raises(TraitError, match="session_memory is neither 0 nor 256 MiB or more"):
        OrkeeExtension(session_memory=size)
    assert OrkeeExtension(session_memory=0).session_memory == 0


@pytest.mark.asyncio
async def test_traits_reach_the_wiring(home: Path, manager: StubManager) -> None:
    options = ["--OrkeeExtension.max_sandboxes=3", "--OrkeeExtension.database=~/x.duckdb"]
    options.append(f"--OrkeeExtension.session_memory={300 << 20}")
    async with running(home, *options, "--OrkeeExtension.link=forwarded") as app:
        extension = app.web_app.settings["orkee_jupyter"]
        await extension._starting
        given: wiring.Options = manager.options  # type: ignore[attr-defined]
    assert (given.settings.max_sandboxes, given.link, given.runner_host) == (3, "forwarded", None)
    assert given.session_memory == 300 << 20
    assert given.database == home / "home" / "x.duckdb"
    assert given.project == home / "notebooks"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OrkeeError("store_failed", "The database is broken.", "Remove it."), 500, "store_failed"),
        (ImportError("no module duckdb at /secret"), 500, "internal"),
    ],
)
async def test_a_wiring_that_fails_is_answered(
    home: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    async def build(options: Any, publish: Any) -> wiring.Wired:
        raise error

    monkeypatch.setattr(wiring, "build", build)
    async with running(home) as app, clients(app) as (http, unix):
        for client in (http, unix):
            answer = await client.post("/sandbox", json={})
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert "secret" not in answer.text


@pytest.mark.asyncio
async def test_stops_at_once_share_one_stop(server: Running) -> None:
    await asyncio.gather(*(server.extension.stop_extension() for _ in range(3)))
    await server.extension.stop_extension()
    assert server.manager.closed == 1
    answer = await server.http.get("/engine")
    assert (answer.status_code, answer.json()["code"]) == (503, "server_unreachable")


@pytest.mark.asyncio
async def test_a_stop_before_the_start_is_done_ends_the_start(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = asyncio.Event()

    async def build(options: Any, publish: Any) -> wiring.Wired:
        try:
            return await asyncio.Event().wait()  # type: ignore[return-value]
        finally:
            ended.set()

    monkeypatch.setattr(wiring, "build", build)
    async with running(home) as app:
        await asyncio.sleep(0)
        await app.web_app.settings["orkee_jupyter"].stop_extension()
        assert ended.is_set()


@pytest.mark.asyncio
async def test_one_part_that_does_not_stop_leaves_the_others_their_turn() -> None:
    order: list[str] = []

    async def good() -> None:
        order.append("store")

    async def bad() -> None:
        order.append("engine")
        raise RuntimeError("no")

    stops = (("manager", 0.01, asyncio.Event().wait), ("engine", 1, bad), ("store", 1, good))
    await wiring.Wired(StubManager(), stops).close()  # type: ignore[arg-type]
    assert order == ["engine", "store"]
