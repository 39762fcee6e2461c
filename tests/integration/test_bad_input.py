"""Each mistake has one code, one cause and one remedy, by REST, client, shell and cell alike."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from orkee_jupyter.client import Client, OrkeeError
from tests.progress import quiet

from .conftest import ALIKE
from .kernels import Kernel
from .processes import containers_of
from .servers import Server

BROKEN = ["sh", "-c", "echo it is broken >&2; exit 3"]
Problem = tuple[str, str, str]  # code, cause, remedy


@dataclass
class Mistake:
    """One bad request; ``words`` are those of the command line and of the magic."""

    code: str
    words: str
    body: dict[str, Any] = field(default_factory=dict)
    ref: str | None = None  # to execute there, else to create


def create(code: str, words: str = "", **body: Any) -> Mistake:
    return Mistake(code, f"create debian {words}".strip(), {"template": "debian", **body})


def execute(code: str, ref: str, *command: str) -> Mistake:
    words = f"exec {ref} -- {shlex.join(command)}"
    return Mistake(code, words, {"command": list(command)}, ref)


MISTAKES = {
    "unknown id": execute("sandbox_not_found", "no-such-sandbox", "true"),
    "ambiguous prefix": execute("ambiguous_id", ALIKE, "true"),
    "terminated": execute("sandbox_not_active", f"{ALIKE}1", "true"),
    "command not in the image": execute("command_not_found", "standing", "no-such-program"),
    "file not executable": execute("command_not_executable", "standing", "/etc/passwd"),
    "unknown template": Mistake("unknown_template", "create debain", {"template": "debain"}),
    "unknown image": create("unknown_image", "--image no-such:tag", image="no-such:tag"),
    "main command not in the image": create("command_not_found", "-- nope", command=["nope"]),
    "command that exits at once": create(
        "command_exited", f"-- {shlex.join(BROKEN)}", command=BROKEN
    ),
    "port out of range": create("invalid_port", "--port 99999", ports=[99999]),
    "port that is no number": create("invalid_port", "--port http", ports=["http"]),
    "ttl that is no time": create("invalid_ttl", "--ttl soon", ttl="soon"),
    "ttl beyond the limit": create("invalid_ttl", "--ttl 900d", ttl="900d"),
    "bad name": create("invalid_request", "--name Bad_Name", name="Bad_Name"),
    "name taken": create("name_taken", "--name standing", name="standing"),
    "bad label": create("invalid_request", "--label 'a b=c'", labels={"a b": "c"}),
}


@pytest.fixture(scope="module")
def standing(servers: dict[str, Server]) -> Iterator[Server]:
    """Give the shared server with a sandbox of the name "standing"."""
    server = servers["direct"]
    with server.client() as client, client.create("debian", name="standing"):
        yield server


@pytest.fixture(scope="module")
def kernel(standing: Server) -> Iterator[Kernel]:
    with Kernel(standing) as made:
        yield made


@pytest.fixture(autouse=True)
def _nothing_is_left(servers: dict[str, Server]) -> Iterator[None]:
    before = {row["id"] for server in servers.values() for row in server.rows()}
    sockets = {path for each in servers.values() for path in each.world.sockets.glob("s/*.sock")}
    yield
    for server in servers.values():
        new = [row for row in server.rows() if row["id"] not in before]
        assert {row["status"] for row in new} <= {"failed"}
        assert all(row["reason"] for row in new)
        assert containers_of(row["id"] for row in new) == []
        assert set(server.world.sockets.glob("s/*.sock")) <= sockets


def by_rest(server: Server, mistake: Mistake) -> tuple[Problem, dict[str, Any]]:
    path = f"sandbox/{mistake.ref}/exec" if mistake.ref else "sandbox"
    with server.http() as http:
        answer = http.post(path, json=mistake.body)
    problem = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["status"] == answer.status_code >= 400
    assert problem["success"] is False
    return (problem["code"], problem["detail"], problem["remedy"]), problem["details"]


def by_client(server: Server, mistake: Mistake) -> Problem:
    with server.client() as client, pytest.raises(OrkeeError) as caught:
        ask(client, mistake)
    return caught.value.code, caught.value.cause, caught.value.remedy


def ask(client: Client, mistake: Mistake) -> None:
    if mistake.ref:
        client.get(mistake.ref).exec(mistake.body["command"])
    else:
        client.create(**mistake.body)


def said(stderr: bytes) -> list[str]:
    """Return the lines of an error, without those of the progress, which a slow machine shows."""
    return quiet(stderr).decode().splitlines()


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_the_same_everywhere(standing: Server, kernel: Kernel, name: str) -> None:
    mistake = MISTAKES[name]
    problem, _ = by_rest(standing, mistake)
    code, cause, remedy = problem
    assert (code, cause[-1:]) == (mistake.code, ".")
    assert remedy[-1:] in (".", "?")
    assert by_client(standing, mistake) == problem
    words = shlex.split(mistake.words)
    shell = standing.cli("sandbox", words[0], "--json", *words[1:])
    told = json.loads(shell.stdout)
    assert (told["code"], told["detail"], told["remedy"]) == problem
    shell = standing.cli("sandbox", *words)
    assert shell.returncode == (125 if mistake.ref else 1)
    text = said(shell.stderr)
    assert (text[0], text[-1]) == (f"error [{code}]: {cause}", remedy)
    cell = kernel.run(f"%sandbox {mistake.words}")
    assert (cell.status, cell.error) == ("error", [cause, f"{remedy} [{code}]"])


def test_a_command_that_exits_at_once_shows_its_code_and_last_lines(
    standing: Server, kernel: Kernel
) -> None:
    mistake = MISTAKES["command that exits at once"]
    (_, cause, _), details = by_rest(standing, mistake)
    assert "code 3" in cause
    assert (details["exit_code"], details["lines"]) == (3, ["it is broken"])
    shell = standing.cli("sandbox", *shlex.split(mistake.words))
    assert said(shell.stderr)[1] == "  | it is broken"
    assert "it is broken" in kernel.run(f"%sandbox {mistake.words}").text("stderr")


@pytest.mark.parametrize("link", ["direct", "forwarded"])
@pytest.mark.parametrize(
    "name", ["unknown image", "main command not in the image", "command that exits at once"]
)
def test_a_failed_create_leaves_nothing_on_either_link(
    servers: dict[str, Server], link: str, name: str
) -> None:
    mistake = MISTAKES[name]
    body = mistake.body | {"name": "failing"}
    with servers[link].http() as http:
        for _ in range(2):  # the name is free again
            assert http.post("sandbox", json=body).json()["code"] == mistake.code
    rows = servers[link].rows(name="failing")
    assert {row["status"] for row in rows} == {"failed"}


@pytest.mark.parametrize(
    ("content", "code", "status"),
    [
        (b'{"template": ', "invalid_json", 400),
        (b"[1]", "invalid_request", 400),
        (b'{"template": 7}', "invalid_request", 400),
        (b'{"ports": "3000"}', "invalid_port", 400),
        (b'{"env": {"A": 1}}', "invalid_request", 400),
        (b'{"command": "ls"}', "invalid_request", 400),
        (b'{"no_such_key": 1}', "invalid_request", 400),
        (b'{"name": "' + b"x" * 2_000_000 + b'"}', "body_too_large", 413),
    ],
)
def test_a_body_that_is_none_is_refused(
    direct: Server, content: bytes, code: str, status: int
) -> None:
    with direct.http() as http:
        answer = http.post("sandbox", content=content)
    problem = answer.json()
    assert (problem["code"], answer.status_code) == (code, status)
    assert problem["detail"]
    assert problem["remedy"]


def test_stdin_larger_than_a_body_may_be_goes_in_whole(standing: Server) -> None:
    shell = standing.cli("sandbox", "exec", "standing", "--", "wc", "-c", stdin=b"x" * 2_000_000)
    assert (shell.returncode, shell.stdout) == (0, b"2000000\n")


def test_without_a_token_nothing_is_answered(direct: Server) -> None:
    with direct.http() as http:
        del http.headers["Authorization"]
        answer = http.get("sandbox")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
