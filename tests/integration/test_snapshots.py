"""Workspaces that are kept and copied, on the real engine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orkee_jupyter.client import Client, OrkeeError, Sandbox

from .servers import Server
from .world import World

#: All that a workspace may hold: links, modes, times, what is empty, names that are no UTF-8.
MAKE = r"""
mkdir -p a/empty locked; echo text > a/file; printf '#!/bin/sh\necho ran\n' > run.sh
chmod 755 run.sh; chmod 640 a/file; ln -s a/file link; ln -s /nowhere/at/all dangling
ln a/file hard; : > nothing; printf x > "$(printf 'caf\351')"; printf y > 'a b
c'; printf z > ü; printf h > .hidden; head -c 3000000 /dev/urandom > large
printf d > "$(printf 'd%.0s' $(seq 200))"; chmod 500 locked; chmod 000 nothing
touch -d '2001-02-03 04:05:06.789' a/file large; touch -h -d '2002-03-04 05:06:07' link
touch -d '2003-04-05 06:07:08' a/empty a locked
"""
#: Everything of a workspace as text: path, type, mode, time and target, and the bytes' sums.
TELL = (
    r"find . -mindepth 1 -printf '%P|%y|%m|%T@|%l|\n' | LC_ALL=C sort;"
    r" find . -type f -exec sha256sum {} + | LC_ALL=C sort"
)


@pytest.fixture
def name(client: Client, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give a name for a snapshot, which is removed in the end."""
    given = f"s{abs(hash(request.node.name))}"
    yield given
    for each in client.snapshots():
        if each.name.startswith(given):
            client.remove_snapshot(each)


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(OrkeeError) as caught:
        call()
    return caught.value.code


def told(sandbox: Sandbox) -> bytes:
    result = sandbox.exec(TELL)
    assert result.ok, result.stderr
    return result.stdout_bytes


def test_a_snapshot_is_a_faithful_copy_and_outlives_its_sandbox(client: Client, name: str) -> None:
    with client.create("debian", env={"WHO": "ada"}, labels={"a": "b"}) as first:
        assert first.exec(MAKE).ok
        before = told(first)
        assert b"caf\xe9" in before
        kept = first.snapshot(name)
        assert kept.sandbox_id == first.id
    assert name in [each.name for each in client.snapshots()]
    with client.create(snapshot=kept) as second:
        assert told(second).splitlines() == before.splitlines()
        assert second.exec("./run.sh; echo $WHO").stdout == "ran\nada\n"
        assert (second.template, second.labels) == ("debian", {"a": "b"})
        assert second.id != first.id


def test_a_fork_is_a_copy_of_its_own(client: Client) -> None:
    before = client.snapshots()
    with client.create("debian", name="origin", ttl="20m") as first:
        first.files.write("x", "first")
        with first.fork("copy") as second:
            assert (second.name, second.status, second.data["ttl"]) == ("copy", "active", 1200)
            second.files.write("x", "second")
            first.files.write("y", "only here")
            assert first.files.read_text("x") == "first"
            assert not second.files.exists("y")
        assert client.snapshots() == before
        assert first.refresh().status == "active"


def test_the_template_and_the_options_of_a_create_win(
    server: Server, client: Client, name: str
) -> None:
    folder = server.project / ".orkee" / "templates"
    folder.mkdir(parents=True, exist_ok=True)
    Path(folder, "filled.toml").write_text(
        'image = "debian:bookworm-slim"\nworking_directory = "/srv/app"\n'
        'setup = ["mkdir -p /srv/app/image", "echo image > /srv/app/image/x"]'
    )
    with client.create("filled", command=["sleep", "600"]) as first:
        assert first.files.read_text("image/x") == "image\n"
        first.exec("rm -r image; echo mine > y").checked(["rm"])
        first.snapshot(name)
    with client.create(snapshot=name) as same:
        assert same.exec("ls -A; pwd").stdout == "y\n/srv/app\n", "the image's files stay away"
        assert same.command == ["sleep", "600"]
    with client.create("debian", snapshot=name, name="other", command=["sleep", "500"]) as other:
        assert other.exec("cat y; pwd").stdout == "mine\n/app\n"
        assert (other.template, other.command) == ("debian", ["sleep", "500"])


def test_the_files_are_there_before_the_command_starts(client: Client, name: str) -> None:
    command = ["sh", "-c", "cat page 2>&1 || echo none; sleep 600"]
    with client.create("debian", command=command, wait="log:.") as first:
        assert "hello" not in list(first.logs())
        first.files.write("page", "hello\n")
        first.snapshot(name)
        with client.create(snapshot=name, wait="log:.") as second:
            assert list(second.logs()) == ["hello"]


def test_names_are_taken_once_and_given_up_again(client: Client, name: str) -> None:
    with client.create("debian") as sandbox:
        sandbox.files.write("x", "1")
        sandbox.snapshot(name)
        assert code_of(lambda: sandbox.snapshot(name)) == "snapshot_exists"
        sandbox.files.write("x", "2")
        sandbox.snapshot(name, replace=True)
        for wrong in ("Upper", "../x", "a/b", "", "x" * 64, "0" * 32):
            assert code_of(lambda wrong=wrong: sandbox.snapshot(wrong)) == "invalid_request"
        with client.create(snapshot=name) as second:
            assert second.files.read_text("x") == "2"
        client.remove_snapshot(name)
        assert code_of(lambda: client.remove_snapshot(name)) == "snapshot_not_found"
        assert code_of(lambda: client.create(snapshot=name)) == "snapshot_not_found"
    assert code_of(lambda: sandbox.snapshot(name)) == "sandbox_not_active"


def test_it_outlives_the_server_and_what_is_half_written_does_not(
    own_server: Callable[..., Server], world: World
) -> None:
    server = own_server()
    with server.client() as client, client.create("debian") as first:
        first.files.write("x", "kept")
        first.snapshot("survivor")
        size = client.snapshots()[0].size
    (place,) = (world.data / "snapshots").iterdir()
    assert {oct(each.stat().st_mode & 0o777) for each in (place, place.parent)} == {"0o700"}
    assert {oct(each.stat().st_mode & 0o777) for each in place.iterdir()} == {"0o600"}
    (place / f"{'0' * 32}.tar").write_bytes(b"half")
    server.kill()
    with own_server().client() as client:
        assert [(each.name, each.size) for each in client.snapshots()] == [("survivor", size)]
        assert not (place / f"{'0' * 32}.tar").exists()
        with client.create(snapshot="survivor") as second:
            assert second.files.read_text("x") == "kept"
        client.remove_snapshot("survivor")
    assert list(place.iterdir()) == []


def test_one_that_is_too_large_leaves_nothing(
    own_server: Callable[..., Server], world: World
) -> None:
    server = own_server("--OrkeeExtension.max_snapshot_size=1000000")
    with server.client() as client, client.create("debian") as sandbox:
        assert sandbox.exec("head -c 2000000 /dev/zero > x").ok
        assert code_of(lambda: sandbox.snapshot("large")) == "archive_too_large"
        assert sandbox.exec("truncate -s 900000 x").ok
        sandbox.snapshot("small")
        assert [each.name for each in client.snapshots()] == ["small"]
        client.remove_snapshot("small")
    assert not list((world.data / "snapshots").rglob("*.tar"))


@pytest.mark.timeout(600)
def test_two_hundred_megabytes_come_and_go_whole(client: Client, name: str) -> None:
    with client.create("debian") as sandbox:
        assert sandbox.exec("head -c 200000000 /dev/urandom > x; sha256sum x > sum").ok
        steps: list[str] = []
        began = time.monotonic()
        sandbox.snapshot(name, on_progress=steps.append)
        kept = time.monotonic()
        with client.create(snapshot=name) as second:
            made = time.monotonic()
            assert second.exec("sha256sum -c sum").ok
        with sandbox.fork() as third:
            forked = time.monotonic()
            assert third.exec("sha256sum -c sum").ok
    print(json.dumps({"snapshot": kept - began, "create": made - kept, "fork": forked - made}))
    assert any(step.startswith("kept ") for step in steps)


def test_the_command_line_does_all_of_it(direct: Server) -> None:
    with direct.client() as client, client.create("debian", name="cli-origin") as sandbox:
        sandbox.files.write("x", "1")
        done = direct.cli("sandbox", "snapshot", "cli-origin", "cli-kept")
        assert done.returncode == 0, done.stderr
        listed = direct.cli("sandbox", "snapshots").stdout.decode()
        assert listed.splitlines()[1].split()[0] == "cli-kept"
        made = json.loads(direct.cli("sandbox", "create", "--from", "cli-kept", "--json").stdout)
        forked = json.loads(
            direct.cli("sandbox", "fork", "cli-origin", "--name", "cli-copy", "--json").stdout
        )
        for data in (made, forked):
            with client.get(data["id"]) as other:
                assert other.files.read_text("x") == "1"
        assert direct.cli("sandbox", "snapshots", "rm", "cli-kept").returncode == 0
        assert direct.cli("sandbox", "snapshots").stdout == b"No snapshots\n"
