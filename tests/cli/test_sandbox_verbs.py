"""``orkee sandbox`` as a script sees it: output, exit codes, errors."""

from __future__ import annotations

import json

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from tests.client.stub_server import TOKEN, StubServer

from .conftest import Orkee


def test_create_hands_every_flag_on(
    orkee: Orkee, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FROM_HERE", "x=y")
    done = orkee(
        *("sandbox", "create", "--template", "node", "--name", "web", "--image", "node:20"),
        *("--project", "p", "--port", "3000", "--port", "80", "--env", "A=b=c"),
        *("--env", "FROM_HERE", "--label", "k=v", "--ttl", "30m", "--json", "--", "node", "--x"),
    )
    assert json.loads(done.stdout) == next(iter(stub.sandboxes.values()))
    assert stub.requests[-1][2] == {
        "template": "node", "name": "web", "image": "node:20", "project": "p",
        "ports": [3000, 80], "env": {"A": "b=c", "FROM_HERE": "x=y"}, "labels": {"k": "v"},
        "ttl": "30m", "command": ["node", "--x"],
    }  # fmt: skip


def test_a_command_is_not_taken_for_a_template(orkee: Orkee, stub: StubServer) -> None:
    assert orkee("sandbox", "create", "--", "node", "x.js").returncode == 0
    assert stub.requests[-1][2] == {"command": ["node", "x.js"]}


def test_create_says_what_it_made(orkee: Orkee, stub: StubServer) -> None:
    done = orkee("sandbox", "create", "node", "--name", "web")
    lines = done.stdout.decode().splitlines()
    assert lines == ["Sandbox 000100010001 (web) is active.", "http://127.0.0.1:40000"]
    assert done.stderr == b""


@pytest.mark.parametrize("verb", ["list", "ls"])
def test_list_shows_what_runs(orkee: Orkee, stub: StubServer, verb: str) -> None:
    assert orkee("sandbox", verb).stdout == b"No active sandboxes\n"
    active = stub.add(name="a\x1b[31m", project_id="p")
    stub.add(status="terminated")
    table = orkee("sandbox", verb).stdout.decode().splitlines()
    assert table[0].split()[:3] == ["ID", "NAME", "STATUS"]
    assert len(table) == 2
    assert "\x1b" not in table[1]
    assert json.loads(orkee("sandbox", verb, "--json").stdout) == [active]
    assert len(json.loads(orkee("sandbox", verb, "--all", "--json").stdout)) == 2
    ended = orkee("sandbox", verb, "--status", "terminated", "--json")
    assert len(json.loads(ended.stdout)) == 1


def test_list_shows_the_sandboxes_of_two_servers(orkee: Orkee, stub: StubServer) -> None:
    stub.add()
    with StubServer(stub.socket_path.with_name("server-2.sock")) as second:
        second.add()
        other = second.add(name="elsewhere")
        assert len(json.loads(orkee("sandbox", "list", "--json").stdout)) == 2
        assert json.loads(orkee("sandbox", "get", "elsewhere", "--json").stdout) == other


def test_get_shows_one(orkee: Orkee, stub: StubServer) -> None:
    data = stub.add(name="web", labels={"k": "v"})
    assert json.loads(orkee("sandbox", "get", "web", "--json").stdout) == data
    shown = orkee("sandbox", "get", data["id"][:6]).stdout.decode()
    assert "labels.k           v" in shown


def test_stop_ends_by_id_name_or_all(orkee: Orkee, stub: StubServer) -> None:
    one, two, three = stub.add(name="a"), stub.add(name="b"), stub.add(name="c")
    done = orkee("sandbox", "stop", "a", "--json")
    assert json.loads(done.stdout) == {"success": True, "sandbox": one}
    assert b"Sandbox 000200020002 (b) is terminated." in orkee("sandbox", "stop", "--all").stdout
    assert {s["status"] for s in (one, two, three)} == {"terminated"}
    assert orkee("sandbox", "stop", "--all").stdout == b"No active sandboxes\n"


def test_stop_with_one_wrong_name_stops_none(orkee: Orkee, stub: StubServer) -> None:
    data = stub.add(name="a")
    assert orkee("sandbox", "stop", "a", "nope").returncode == 1
    assert data["status"] == "active"
    assert orkee("sandbox", "stop").returncode == 2


def test_clean_says_what_it_ended(orkee: Orkee, stub: StubServer) -> None:
    assert orkee("sandbox", "clean").stdout == b"No expired sandboxes\n"
    data = stub.add(labels={"expired": "1"})
    done = orkee("sandbox", "clean", "--json")
    assert json.loads(done.stdout) == {"success": True, "cleaned": [data]}
    assert b"had expired" in orkee("sandbox", "clean").stdout


def test_an_error_is_cause_and_remedy_without_a_traceback(orkee: Orkee, stub: StubServer) -> None:
    done = orkee("sandbox", "get", "nope")
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "error [sandbox_not_found]: There is no sandbox nope.",
        "List them.",
    ]


def test_an_error_as_json_is_the_problem_object(orkee: Orkee, stub: StubServer) -> None:
    stub.fail_create = OrkeeError("command_exited", "It ended.", "Read.", details={"exit_code": 3})
    done = orkee("sandbox", "create", "--json")
    problem = json.loads(done.stdout)
    assert (problem["code"], problem["details"]) == ("command_exited", {"exit_code": 3})
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--env", "=x"], "invalid_request"),
        (["--label", "x"], "invalid_request"),
        (["nope"], "unknown_template"),
    ],
)
def test_bad_values_have_their_code(
    orkee: Orkee, stub: StubServer, words: list[str], code: str
) -> None:
    done = orkee("sandbox", "create", "--json", *words)
    assert (done.returncode, json.loads(done.stdout)["code"]) == (1, code)


def test_a_word_too_many_is_a_usage_error(orkee: Orkee, stub: StubServer) -> None:
    for words in (["create", "node", "more"], ["create", "--nope"], ["nope"], ["exec", "a"]):
        done = orkee("sandbox", *words)
        assert done.returncode == 2
        assert b"Traceback" not in done.stderr


def test_a_server_elsewhere_is_reached_by_environment(
    orkee: Orkee, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORKEE_URL", stub.url)
    assert b"error [forbidden]" in orkee("sandbox", "list").stderr
    monkeypatch.setenv("ORKEE_TOKEN", TOKEN)
    assert orkee("sandbox", "list").stdout == b"No active sandboxes\n"
    monkeypatch.setenv("ORKEE_URL", "http://127.0.0.1:9")
    assert b"error [server_unreachable]" in orkee("sandbox", "list").stderr


def test_orkee_debug_shows_where_an_error_came_from(
    orkee: Orkee, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORKEE_DEBUG", "1")
    assert b"Traceback" in orkee("sandbox", "get", "nope").stderr
