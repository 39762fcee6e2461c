"""A clean of the engine's cache, on an engine of the tests' own: no workspace is lost by it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.runner import RUNNER

from .engine_view import contents
from .servers import Server
from .world import World

pytestmark = pytest.mark.skipif(RUNNER is not None, reason="that engine is not the tests' own")


@pytest.fixture
def http(direct: Server) -> Iterator[httpx.Client]:
    with direct.http() as made:
        yield made


def clean(http: httpx.Client) -> int:
    answer = http.post("engine/cache/clean")
    assert answer.status_code == 200, answer.text
    return int(answer.json()["freed_bytes"])


def cache(http: httpx.Client) -> dict[str, Any]:
    answer = http.get("engine/cache")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["cache"]
    return found


def test_a_clean_frees_what_nothing_uses_and_no_workspace(
    direct: Server, http: httpx.Client, world: World
) -> None:
    with direct.client() as client, client.create("debian") as active:
        paused = client.create("debian")
        gone = client.create("debian")
        for sandbox in (active, paused, gone):
            sandbox.exec("head -c 5000000 /dev/urandom > data")
        paused.pause()
        gone.stop()
        before = cache(http)
        assert before["bytes"] > 10_000_000
        assert before["entries"] > 0
        clean(http)
        assert active.exec("wc -c < data").stdout.strip() == "5000000"
        paused.resume()
        assert paused.exec("wc -c < data").stdout.strip() == "5000000"
        paused.stop()
        assert contents(world, paused.id) == {paused.id: []}
        assert client.create("debian").stop().status == "terminated", "images can be used again"


def test_a_clean_spares_the_paused_ones_of_another_server(
    servers: dict[str, Server], http: httpx.Client
) -> None:
    with servers["forwarded"].client() as client:
        paused = client.create("debian")
        paused.files.write("x", "1")
        paused.pause()
        clean(http)
        clean(http)
        assert paused.resume().files.read_text("x") == "1"
        paused.stop()


def test_a_clean_during_creates_loses_none_of_what_the_image_fills(
    direct: Server, http: httpx.Client
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    folder = direct.project / ".orkee" / "templates"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "full.toml").write_text(
        'image = "debian:bookworm-slim"\nsetup = ["mkdir -p /app", "echo image > /app/x"]'
    )
    with direct.client() as client, ThreadPoolExecutor(5) as pool:
        made = [pool.submit(client.create, "full") for _ in range(4)]
        cleans = [pool.submit(clean, http) for _ in range(3)]
        assert [each.result(120).exec("cat x").stdout for each in made] == ["image\n"] * 4
        assert all(each.result(120) >= 0 for each in cleans)
        for each in made:
            each.result().stop()
