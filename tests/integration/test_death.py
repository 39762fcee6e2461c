"""However a server, its session or its engine ends: no container stays, and the rows say so."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from orkee_jupyter.client import Client, OrkeeError, Sandbox

from .processes import command_line, containers_of, kill, session_of, until
from .servers import Server
from .world import World

Start = Callable[..., Server]
LOOPING = ["sh", "-c", "while :; do echo on; sleep 0.05; done"]


def some(client: Client) -> list[str]:
    """Make an idle sandbox and a busy one; return their ids."""
    made = [client.create("debian"), client.create("debian", command=LOOPING)]
    ids = [sandbox.id for sandbox in made]
    assert len(containers_of(ids)) >= 2
    return ids


def restarted(server: Server) -> Server:
    """Start the same server again, on the same database."""
    again = Server(server.world, server.name, *server._options)
    return again.start()


@pytest.mark.parametrize("link", ["direct", "forwarded"])
def test_kill_9_of_the_server_leaves_no_container_and_paused_rows(
    own_server: Start, link: str
) -> None:
    server = own_server(f"--OrkeeExtension.link={link}")
    with server.client() as client:
        ids = some(client)
    session = session_of(server.pid)
    server.kill()
    until(lambda: not containers_of(ids), 15, what="the end of the containers")
    until(lambda: not command_line(session), 15, what="the end of the session")
    again = restarted(server)
    try:
        rows = {row["id"]: row for row in again.rows()}
        assert {rows[each]["status"] for each in ids} == {"paused"}
        assert all("server ended" in rows[each]["reason"] for each in ids)
        with again.client() as client:
            assert client.get(ids[0]).stop().status == "terminated"
            with client.create("debian") as sandbox:
                assert sandbox.exec(["true"]).ok
    finally:
        again.stop()


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param([signal.SIGTERM], id="SIGTERM"),
        pytest.param([signal.SIGINT, signal.SIGINT], id="Ctrl-C twice"),
        pytest.param([signal.SIGHUP], id="SIGHUP"),
    ],
)
def test_a_signal_stops_every_sandbox_and_the_server(own_server: Start, signals: list[int]) -> None:
    server = own_server()
    with server.client() as client:
        ids = some(client)
    for number in signals:
        server.signal(number)
        time.sleep(0.3)  # as fast as a person presses it again
    server.wait(30)
    until(lambda: not containers_of(ids), 20)
    assert not server.socket.exists()
    again = restarted(server)
    rows = {row["id"]: row for row in again.rows()}
    again.stop()
    assert {rows[each]["status"] for each in ids} == {"terminated"}
    assert all(rows[each]["reason"].startswith("server stopped") for each in ids)


@pytest.mark.parametrize(("link", "seconds"), [("direct", 15), ("forwarded", 40)])
def test_the_end_of_the_session_pauses_its_sandboxes_and_no_more(
    own_server: Start, link: str, seconds: float
) -> None:
    server = own_server(f"--OrkeeExtension.link={link}")
    with server.client() as client:
        ids = some(client)
        kill(session_of(server.pid))
        sandboxes = [client.get(each) for each in ids]
        until(lambda: {s.refresh().status for s in sandboxes} == {"paused"}, 10)
        assert all("session ended" in str(s.reason) for s in sandboxes)
        # Over the forwarded link the engine itself has to notice: its check of a client is slow.
        until(lambda: not containers_of(ids), seconds)
        with pytest.raises(OrkeeError) as caught:
            sandboxes[0].exec(["true"])
        assert caught.value.code == "sandbox_not_active"
        with client.create("debian") as sandbox:
            assert sandbox.exec(["echo", "again"]).stdout == "again\n"
        assert sandboxes[0].stop().status == "terminated"


@pytest.mark.native
@pytest.mark.parametrize("link", ["direct", "forwarded"])
def test_the_end_of_the_engine_pauses_the_sandboxes_and_the_next_create_starts_it(
    world: World, own_server: Start, link: str
) -> None:
    server = own_server(f"--OrkeeExtension.link={link}")
    with server.client() as client:
        sandbox = client.create("debian", command=LOOPING)
        world.stop_engine()
        until(lambda: sandbox.refresh().status == "paused", 10)
        assert "engine ended" in str(sandbox.reason)
        assert containers_of([sandbox.id]) == []
        with client.create("debian") as again:
            assert again.exec(["true"]).ok
            assert again.data["link"] == link
        assert world.engine_status()["state"] == "ready"


@pytest.mark.native
def test_a_command_under_way_ends_with_an_error_when_the_engine_dies(
    world: World, own_server: Start
) -> None:
    server = own_server()
    with server.client() as client:
        sandbox = client.create("debian", command=LOOPING)
        with sandbox.stream("echo on; sleep 600") as stream:
            assert next(stream) == ("stdout", b"on\n")
            kill(int(str(world.engine_status()["engine_pid"])))
            with pytest.raises(OrkeeError) as caught:
                next(stream)
        assert caught.value.code == "sandbox_lost"
        assert list(sandbox.logs(follow=True))[-1] == "on", "and following a log ends"
        with client.create("debian") as again:
            assert again.exec(["true"]).ok


@pytest.mark.native
def test_after_a_kill_9_of_everything_a_sandbox_resumes_with_its_files(
    world: World, own_server: Start
) -> None:
    server = own_server()
    with server.client() as client:
        sandbox = client.create("debian", name="survivor", command=LOOPING, env={"WHO": "ada"})
        sandbox.files.write("work.txt", "a day's work\n")
        assert sandbox.exec("echo more >>work.txt; sync").ok
        status = world.engine_status()
        everything = {
            *(server.pid, session_of(server.pid), int(str(status["engine_pid"]))),
            *(int(str(status["pid"])), *containers_of([sandbox.id])),
        }
    for pid in everything:
        kill(pid)
    until(lambda: not any(command_line(pid) for pid in everything), 10)
    server.wait()
    server.start()
    with server.client() as client:
        found = client.get("survivor")
        assert (found.id, found.status) == (sandbox.id, "paused")
        found.resume()
        assert found.exec("cat work.txt; echo $WHO").stdout == "a day's work\nmore\nada\n"
        assert next(iter(found.logs(follow=True))) == "on"
        found.stop()


def test_a_create_under_way_fails_in_words_when_the_session_dies(own_server: Start) -> None:
    server = own_server()
    slow_template(server)
    steps: list[str] = []

    def on_progress(step: str) -> None:
        steps.append(step)
        if step.startswith("setup"):
            kill(session_of(server.pid))

    with server.client() as client:
        with client.create("debian"):
            pass
        with pytest.raises(OrkeeError) as caught:
            client.create("slow", on_progress=on_progress, name="slow")
        assert caught.value.code == "engine_lost"
        assert client.list(name="slow")[0].status == "failed"


def test_a_create_whose_client_goes_away_is_undone(own_server: Start) -> None:
    server = own_server()
    slow_template(server)
    body = {"template": "slow", "name": "left"}
    headers = {"Accept": "application/x-ndjson"}
    with server.http() as http:
        for _ in range(3):
            with http.stream("POST", "sandbox", json=body, headers=headers) as answer:
                assert answer.status_code == 200
                assert any("setup" in line for line in answer.iter_lines())
            until(lambda: not server.rows(status="creating,active"), 10)
    rows = server.rows()
    assert [row["status"] for row in rows] == ["failed"] * 3
    assert containers_of(row["id"] for row in rows) == []


def slow_template(server: Server) -> None:
    """Offer the template "slow", whose one setup command outlasts every test."""
    templates = server.project / ".orkee" / "templates"
    templates.mkdir(parents=True)
    text = 'image = "debian:bookworm-slim"\nsetup = ["sleep 300; date"]\n'
    (templates / "slow.toml").write_text(text)


def lost(sandbox: Sandbox) -> bool:
    return sandbox.refresh().status == "paused"


def test_kill_9_of_a_container_pauses_its_sandbox_alone(own_server: Start) -> None:
    server = own_server()
    with server.client() as client:
        one, other = client.create("debian"), client.create("debian")
        for pid in containers_of([one.id]):
            kill(pid)
        until(lambda: lost(one), 15)
        assert one.reason
        assert other.exec(["true"]).ok
        assert one.stop().status == "terminated"
