"""The plan's own list: create and delete, expired clean-up, port in the row, log streaming."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

from orkee_jupyter.client import Client

from .processes import containers_of, until
from .servers import Server


def test_create_and_delete(server: Server) -> None:
    with server.http() as http:
        made = http.post("sandbox", json={"template": "debian"})
        assert made.status_code == 201
        sandbox = made.json()["sandbox"]
        assert re.fullmatch("[0-9a-f]{32}", sandbox["id"])
        assert (sandbox["status"], sandbox["link"]) == ("active", server.name)
        assert sandbox["container_id"]
        assert containers_of([sandbox["id"]])
        ended = http.delete(f"sandbox/{sandbox['id'][:8]}").json()["sandbox"]
        assert (ended["status"], ended["reason"]) == ("terminated", "stopped")
        assert http.get(f"sandbox/{sandbox['id']}").json()["sandbox"]["status"] == "terminated"
    until(lambda: not containers_of([sandbox["id"]]), 15)


def test_expired_clean_up_on_request(client: Client) -> None:
    expiring = client.create("debian", ttl=1)
    with client.create("debian") as kept:
        until(lambda: time.time() > expiring.refresh().expires_at, 5)
        assert [each.id for each in client.clean()] == [expiring.id]
        assert expiring.refresh().status == "terminated"
        assert "expired" in str(expiring.reason)
        assert kept.refresh().status == "active"
        assert client.clean() == []
    until(lambda: not containers_of([expiring.id]), 15)


def test_expired_clean_up_by_the_reaper(own_server: Callable[..., Server]) -> None:
    server = own_server("--OrkeeExtension.reap_interval=0.2", "--OrkeeExtension.default_ttl=15")
    with server.client() as client:
        client.create("debian", ttl=60).stop()  # the first one connects to the engine
        used, idle = client.create("debian"), client.create("debian")
        until(lambda: used.exec(["true"]).ok and idle.refresh().status == "terminated", 60)
        assert idle.refresh().expires_at <= time.time()
        assert used.refresh().status == "active", "an exec renews the lifetime"
        until(lambda: used.refresh().status == "terminated", 60)
    until(lambda: not containers_of([idle.id, used.id]), 15)


def test_port_in_the_row(direct: Server) -> None:
    with direct.client() as client:
        with client.create("debian", ports=[3000, 8080]) as asked:
            assert client.get(asked.id).ports == [3000, 8080]
        with client.create("node") as node:
            assert client.get(node.id).ports == [3000], "the template's default port"


def test_log_streaming(client: Client) -> None:
    script = "echo one; echo two >&2; until [ -e go ]; do sleep 0.05; done; echo three"
    with client.create("debian", command=["sh", "-c", script]) as sandbox:
        with sandbox.log_entries(follow=True) as entries:
            first = [next(entries), next(entries)]
            assert {(each.stream, each.data) for each in first} == {
                ("stdout", b"one\n"),
                ("stderr", b"two\n"),
            }
            sandbox.exec(["touch", "go"])
            rest = list(entries)
        assert [(each.stream, each.data) for each in rest] == [("stdout", b"three\n")]
        assert entries.end == "exited"
        assert sandbox.refresh().exit_code == 0
        assert list(sandbox.logs(tail=1)) == ["three"]


def test_the_row_holds_what_was_asked_for(direct: Server) -> None:
    wanted = {
        "name": "all-of-it",
        "project": "p1",
        "env": {"SECRET": "hidden"},
        "labels": {"team": "a b"},
        "ttl": "30m",
        "command": ["sleep", "60"],
        "working_directory": "/srv/x",
    }
    with direct.http() as http:
        made = http.post("sandbox", json={"template": "debian", **wanted}).json()["sandbox"]
        shown = http.get("sandbox/all-of-it").json()["sandbox"]
        http.delete("sandbox/all-of-it")
    assert {**shown, "stats": None} == {**made, "stats": None}  # which come by themselves
    assert (shown["name"], shown["project_id"], shown["ttl"]) == ("all-of-it", "p1", 1800)
    assert (shown["env"], shown["labels"]) == (["SECRET"], {"team": "a b"})
    assert 1800 <= shown["expires_at"] - shown["created_at"] < 1900, "from when it is active"
    assert "hidden" not in json.dumps(shown)


def test_lists_filter_and_come_in_pages(direct: Server) -> None:
    with direct.client() as client:
        made = [client.create("debian", project="paged", labels={"n": str(n)}) for n in range(3)]
        with direct.http() as http:
            page = http.get("sandbox", params={"project": "paged", "limit": 2}).json()
            rest = http.get(
                "sandbox", params={"project": "paged", "limit": 2, "cursor": page["next"]}
            ).json()
        ids = [each["id"] for each in page["sandboxes"] + rest["sandboxes"]]
        assert (set(ids), len(ids), rest["next"]) == ({each.id for each in made}, 3, None)
        assert [each.id for each in client.list(labels={"n": "1"})] == [made[1].id]
        made[0].stop()
        live = client.list(project="paged", status="active")
        assert {each.id for each in live} == {made[1].id, made[2].id}
        for sandbox in made[1:]:
            sandbox.stop()
