"""``orkee sandbox sql`` against a stub server."""

from __future__ import annotations

import json

from tests.client.stub_server import StubServer

from .conftest import Orkee


def test_rows_are_a_table_json_or_csv(orkee: Orkee, stub: StubServer) -> None:
    plain = orkee("sandbox", "sql", "FROM sessions").stdout.decode().splitlines()
    assert [line.split()[0] for line in plain] == ["name", "web", "-"]
    rows = json.loads(orkee("sandbox", "sql", "FROM sessions", "--json").stdout)
    assert rows[0] == {"name": "web", "made": "2026-11-24 10:00:00.5"}
    lines = orkee("sandbox", "sql", "FROM sessions", "--csv").stdout.decode().splitlines()
    assert lines == ["name,made", "web,2026-11-24 10:00:00.5", ","]


def test_a_query_may_come_from_the_input_and_a_cut_is_said(orkee: Orkee, stub: StubServer) -> None:
    stub.cut = True
    done = orkee("sandbox", "sql", "-", "--rows", "2", stdin=b"FROM logs")
    assert stub.asked == [{"query": "FROM logs", "rows": 2}]
    assert b"more than these 2 rows" in done.stderr
