"""No engine, a full disk, another user's sandbox: said in words, and survived."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from orkee_jupyter.client import Client, OrkeeError

from .servers import Server
from .world import World

Start = Callable[..., Server]
USERS = '''
from jupyter_server.auth.identity import IdentityProvider, User


class Users(IdentityProvider):
    """What a hub does: the user is known, here by a header."""

    async def get_user(self, handler):
        return User(username=handler.request.headers.get("X-User", "nobody"))

    def is_token_authenticated(self, handler):
        return True
'''
#: A mount in a namespace of its own: no trace of it is left on the host.
SMALL_DISK = ["sh", "-c", 'mount -t tmpfs -o size=8m none "$0" && exec "$@"']


def test_without_an_engine_the_remedy_is_named(world: World, own_server: Start) -> None:
    folder = world.folder / "without"
    folder.mkdir(mode=0o700)
    env = {"XDG_DATA_HOME": str(folder), "PATH": str(folder), "ORKEE_RUNNER_HOST": ""}
    server = own_server(env=env)
    with server.http() as http:
        answer = http.post("sandbox", json={"name": "never"})
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (503, "no_engine")
        assert "orkee engine install" in problem["remedy"]
        kinds = {each["kind"] for each in problem["details"]["candidates"]}
        assert kinds == {"configured", "native", "docker", "podman"}
        engine = http.get("engine").json()["engine"]
    assert (engine["chosen"], "orkee engine install" in engine["remedy"]) == (None, True)
    shell = server.cli("sandbox", "create")
    assert shell.returncode == 1
    assert b"error [no_engine]: " in shell.stderr
    assert {row["status"] for row in server.rows()} <= {"failed"}


@pytest.mark.timeout(180)
def test_a_full_disk_refuses_creates_and_loses_nothing(world: World, own_server: Start) -> None:
    disk = world.folder / "disk"
    disk.mkdir()
    unshare = ["unshare", *([] if os.getuid() == 0 else ["--user", "--map-root-user"]), "--mount"]
    prefix = [*unshare, *SMALL_DISK, str(disk)]
    server = own_server(prefix=prefix, database=disk / "sandboxes.duckdb")
    with server.client() as client:
        before = client.create("debian", name="before")
        filler = Path(f"/proc/{server.pid}/root{disk}/filler")
        fill(filler)
        with pytest.raises(OrkeeError) as caught:
            create_many(client)
        assert caught.value.code == "disk_full"
        assert before.exec(["echo", "works"]).stdout == "works\n"
        assert before.stop().status == "terminated"
        filler.unlink()
        with client.create("debian", name="before") as after:
            assert after.exec(["true"]).ok
        assert client.list(status="creating,active") == []


def create_many(client: Client) -> None:
    """Create until what the store has set aside is used up too."""
    for _ in range(100):
        client.create("debian").stop()


def fill(path: Path) -> None:
    """Write to a file until nothing fits any more."""
    with path.open("wb", buffering=0) as file:
        for size in (65536, 512, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue


@pytest.fixture
def hub(world: World, own_server: Start) -> Server:
    """Give a server with users of its own, as one of a hub has."""
    folder = world.folder / "hub"
    folder.mkdir(exist_ok=True)
    (folder / "orkee_test_users.py").write_text(USERS)
    option = "--ServerApp.identity_provider_class=orkee_test_users.Users"
    return own_server(option, env={"PYTHONPATH": f"{folder}:{os.environ.get('PYTHONPATH', '')}"})


def as_user(server: Server, name: str) -> httpx.Client:
    http = server.http()
    http.headers["X-User"] = name
    return http


def test_a_sandbox_of_another_user_is_as_good_as_none(hub: Server) -> None:
    with as_user(hub, "ada") as ada, as_user(hub, "bob") as bob:
        made = ada.post("sandbox", json={"template": "debian", "name": "mine"}).json()["sandbox"]
        assert made["user_id"] == "ada"
        assert bob.get("sandbox").json()["sandboxes"] == []
        for ref in (made["id"], made["id"][:8], "mine"):
            answers = [
                bob.get(f"sandbox/{ref}"),
                bob.get(f"sandbox/{ref}/logs"),
                bob.post(f"sandbox/{ref}/exec", json={"command": ["true"]}),
                bob.delete(f"sandbox/{ref}"),
            ]
            assert {(a.status_code, a.json()["code"]) for a in answers} == {
                (404, "sandbox_not_found")
            }
        unknown = bob.get("sandbox/other").json()["detail"]
        assert answers[0].json()["detail"] == unknown.replace("other", "mine")
        taken = bob.post("sandbox", json={"template": "debian", "name": "mine"})
        assert taken.status_code == 201, "names are each user's own"
        assert bob.delete("sandbox/mine").json()["sandbox"]["user_id"] == "bob"
        assert ada.get("sandbox/mine").json()["sandbox"]["status"] == "active"
        ada.delete("sandbox/mine")
