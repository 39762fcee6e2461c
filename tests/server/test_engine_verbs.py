"""The verbs of the engine over REST: its cache, and an install that goes on by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.server.context import KEY
from tests.server.conftest import Running

pytestmark = pytest.mark.asyncio


async def until_done(server: Running) -> Any:
    """Return what is said of an install once it has ended."""
    context = server.app.web_app.settings[KEY]
    changed = asyncio.Event()
    context.engine_setup_hooks.append(changed.set)
    async with asyncio.timeout(5):
        while (context.engine_setup or {}).get("running"):
            await changed.wait()
            changed.clear()
    return context.engine_setup


async def test_the_cache_is_told_and_cleaned(server: Running) -> None:
    answer = await server.http.get("/engine/cache")
    assert answer.json() == {"success": True, "cache": {"bytes": 5, "entries": 2}}
    answer = await server.http.post("/engine/cache/clean")
    assert answer.json() == {"success": True, "freed_bytes": 3}
    assert server.manager.calls == [("engine_cache",), ("clean_engine_cache",)]


async def test_an_install_goes_on_by_itself_and_says_what_it_does(server: Running) -> None:
    told: list[Any] = []
    context = server.app.web_app.settings[KEY]
    context.engine_setup_hooks.append(lambda: told.append(context.engine_setup))
    answer = await server.http.post("/engine/install")
    assert answer.status_code == 202
    assert answer.json()["setup"]["running"] is True
    server.manager.installing.set()
    assert await until_done(server) is None
    steps = [each["step"] for each in told if each]
    assert steps == ["beginning", "building the engine"]
    assert told[-1] is None


async def test_a_second_install_is_the_first(server: Running) -> None:
    first = (await server.http.post("/engine/install")).json()["setup"]
    second = (await server.http.post("/engine/install")).json()["setup"]
    assert first["began"] == second["began"]
    assert server.manager.calls == [("install_engine",)]
    server.manager.installing.set()
    await until_done(server)


async def test_an_install_that_fails_keeps_the_problem_with_its_remedy(server: Running) -> None:
    server.manager.error = OrkeeError(
        "no_engine", "Root is needed.", "Ask an administrator to run: sudo apt-get install runc"
    )
    server.manager.installing.set()
    await server.http.post("/engine/install")
    setup = await until_done(server)
    assert setup["running"] is False
    assert setup["problem"]["code"] == "no_engine"
    assert "sudo apt-get" in setup["problem"]["remedy"]


@pytest.mark.parametrize("path", ["/engine/cache/clean", "/engine/install"])
async def test_a_body_with_something_in_it_is_refused(server: Running, path: str) -> None:
    answer = await server.http.post(path, json={"all": True})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert server.manager.calls == []
