"""``orkee sandbox pause``, ``resume`` and ``extend``."""

from __future__ import annotations

import json

from tests.client.stub_server import StubServer

from .conftest import Orkee


def test_sandboxes_are_paused_and_resumed(orkee: Orkee, stub: StubServer) -> None:
    stub.add(name="web")
    stub.add(name="api")
    printed = orkee("sandbox", "pause", "web", "api").stdout.decode().splitlines()
    assert [line.split("(")[1] for line in printed] == ["web) is paused.", "api) is paused."]
    state, url = orkee("sandbox", "resume", "web").stdout.decode().splitlines()
    assert state.endswith("(web) is active.")
    assert url == "http://127.0.0.1:40000"


def test_one_wrong_name_pauses_none(orkee: Orkee, stub: StubServer) -> None:
    data = stub.add(name="web")
    assert orkee("sandbox", "pause", "web", "nope").returncode == 1
    assert data["status"] == "active"


def test_more_time_is_said_as_what_is_left(orkee: Orkee, stub: StubServer) -> None:
    stub.add(name="web")
    assert b"(web) ends in " in orkee("sandbox", "extend", "web", "2h").stdout
    (body,) = [body for method, _, body in stub.requests if method == "POST"]
    assert body == {"ttl": "2h"}


def test_all_of_them_print_json(orkee: Orkee, stub: StubServer) -> None:
    stub.add(name="web")
    paused = json.loads(orkee("sandbox", "pause", "web", "--json").stdout)
    assert (paused["success"], paused["sandbox"]["status"]) == (True, "paused")
    for words in (["resume", "web"], ["extend", "web", "2h"]):
        shown = json.loads(orkee("sandbox", *words, "--json").stdout)
        assert (shown["name"], shown["status"]) == ("web", "active")
