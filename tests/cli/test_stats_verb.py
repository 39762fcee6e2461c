"""``orkee sandbox stats``, and the limits of a create."""

from __future__ import annotations

import json

from tests.client.stub_server import StubServer
from tests.client.stub_stats import STATS

from .conftest import Orkee


def test_a_create_has_limits(orkee: Orkee, stub: StubServer) -> None:
    options = ["--memory", "256m", "--cpus", "1.5", "--pids", "100", "--timeout", "30m"]
    assert orkee("sandbox", "create", *options).returncode == 0
    (body,) = [body for method, _, body in stub.requests if method == "POST"]
    assert body["limits"] == {"memory": "256m", "cpus": 1.5, "pids": 100}
    assert body["timeout"] == "30m"


def test_stats_print_a_table_of_one_or_all(orkee: Orkee, stub: StubServer) -> None:
    assert orkee("sandbox", "stats").stdout == b"No active sandboxes\n"
    stub.add(name="web", limits={"memory": 256 << 20})
    for words in (["web"], []):
        heads, line = orkee("sandbox", "stats", *words).stdout.decode().splitlines()
        assert heads.split()[:3] == ["ID", "NAME", "CPU"]
        assert "64 MiB of 256 MiB" in line


def test_stats_as_json(orkee: Orkee, stub: StubServer) -> None:
    stub.add(name="web")
    assert json.loads(orkee("sandbox", "stats", "web", "--json").stdout).items() >= STATS.items()
    (only,) = json.loads(orkee("sandbox", "stats", "--json").stdout)
    assert only["name"] == "web"
    followed = orkee("sandbox", "stats", "web", "--json", "--follow").stdout.splitlines()
    assert [json.loads(line)["time"] for line in followed] == [0, 1, 2]


def test_following_prints_a_line_for_each_sample(orkee: Orkee, stub: StubServer) -> None:
    stub.add(name="web")
    printed = orkee("sandbox", "stats", "web", "-f", "--interval", "0.5").stdout.splitlines()
    assert len(printed) == 4
    assert orkee("sandbox", "stats", "-f").returncode == 2


def test_a_list_shows_processors_and_memory(orkee: Orkee, stub: StubServer) -> None:
    stub.add(name="web", stats=STATS)
    stub.add(name="new", stats=None)
    printed = orkee("sandbox", "list").stdout
    assert b"12.5 %" in printed
    assert b"64 MiB" in printed
