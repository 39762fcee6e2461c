"""`pause --freeze` on the real engine: memory and processes stay, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orkee_jupyter.client import Client, OrkeeError, Sandbox

from .processes import command_line, containers_of, frozen_groups, kill, until
from .servers import Server
from .world import World

#: Counts in memory alone, ten times a second; and says how far it is.
COUNT = "n=0; while :; do n=$((n+1)); echo $n; sleep 0.1; done"


@pytest.fixture(autouse=True)
def freezer(world: World) -> None:
    """Freezing takes root of the host: an ordinary user is told so, by another test."""
    if os.geteuid() != 0 or "freezer" not in str(world.engine_status().get("cgroups")):
        pytest.skip("no cgroup can be written here")


@pytest.fixture
def client(direct: Server) -> Iterator[Client]:
    """Freezing knows nothing of the link: one is enough."""
    with direct.client() as made:
        yield made


def counted(sandbox: Sandbox) -> int:
    return int(next(iter(sandbox.logs(tail=1))))


@pytest.mark.parametrize("limits", [{}, {"memory": "128m", "cpus": 1, "pids": 50}])
def test_a_frozen_program_goes_on_from_where_it_stood(
    client: Client, limits: dict[str, object]
) -> None:
    command = ["sh", "-c", COUNT]
    with client.create("debian", command=command, wait="log:3", ports=[3000], **limits) as sandbox:
        address = sandbox.url(3000)
        assert sandbox.pause(freeze=True).status == "paused"
        assert (sandbox.frozen, sandbox.reason) == (True, "frozen")
        stood = counted(sandbox)
        time.sleep(1)  # ten steps of the program, were it not frozen
        assert counted(sandbox) - stood <= 1, "one line may have been on its way"
        stood = counted(sandbox)
        with pytest.raises(OrkeeError, match="frozen"):
            sandbox.exec("true")
        assert (sandbox.resume().status, sandbox.frozen) == ("active", False)
        until(lambda: counted(sandbox) > stood + 3)
        assert list(sandbox.logs())[: stood + 3] == [str(n) for n in range(1, stood + 4)]
        assert (sandbox.url(3000), sandbox.exec("echo still").stdout) == (address, "still\n")
        assert frozen_groups() == []


def test_all_that_runs_in_it_stands_still_whatever_it_hides_behind(client: Client) -> None:
    with client.create("python") as sandbox:
        sandbox.exec("cp $(command -v sleep) /tmp/sandboxd")
        hidden = "setsid sh -c 'while :; do date +%s%N > /app/t; /tmp/sandboxd 0.05; done'"
        sandbox.exec(f"{hidden} >/dev/null 2>&1 &")
        sandbox.exec("while ! test -s t; do sleep 0.05; done")
        sandbox.pause(freeze=True)
        # One that has just ended waits for its parent, which stands still.
        running = [pid for pid in containers_of([sandbox.id]) if command_line(pid)]
        frozen = [p for p in running if "-frozen" in Path(f"/proc/{p}/cgroup").read_text()]
        assert frozen
        assert len(running) - len(frozen) == 2, "its init and its daemon go on"
        sandbox.resume()
        before = sandbox.files.read_text("t")
        until(lambda: sandbox.files.read_text("t") not in ("", before))


def test_a_command_that_is_waited_for_ends_after_the_thaw(client: Client) -> None:
    with client.create("debian") as sandbox, ThreadPoolExecutor(1) as pool:
        script = "touch begun; until [ -e go ]; do sleep 0.1; done; echo done"
        waiting = pool.submit(sandbox.exec, script)
        until(lambda: sandbox.files.exists("begun"))
        sandbox.pause(freeze=True)
        assert not waiting.done()
        sandbox.resume()
        sandbox.files.write("go", b"")
        assert waiting.result(30).stdout == "done\n"


def test_a_stop_of_a_frozen_one_leaves_nothing(client: Client) -> None:
    sandbox = client.create("debian", command=["sh", "-c", COUNT], wait="log:3")
    sandbox.pause(freeze=True)
    assert sandbox.stop().status == "terminated"
    until(lambda: containers_of([sandbox.id]) == [] and frozen_groups() == [])


def test_a_pause_of_a_frozen_one_ends_its_container(client: Client) -> None:
    command = [
        "sh",
        "-c",
        "trap 'echo bye >> said; exit' TERM; echo on; while :; do sleep 0.1; done",
    ]
    sandbox = client.create("debian", command=command, wait="log:on")
    sandbox.pause(freeze=True).pause()
    assert (sandbox.status, sandbox.frozen, sandbox.reason) == ("paused", False, "paused")
    until(lambda: containers_of([sandbox.id]) == [] and frozen_groups() == [])
    assert sandbox.resume().files.read_text("said") == "bye\n", "its end was in order"
    sandbox.stop()


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
def test_what_a_server_had_frozen_keeps_its_files(
    own_server: Callable[..., Server], how: str
) -> None:
    server = own_server("--OrkeeExtension.on_shutdown=pause")
    with server.client() as client:
        sandbox = client.create("debian", command=["sh", "-c", COUNT], name="cold", wait="log:3")
        sandbox.files.write("x", "1")
        sandbox.pause(freeze=True)
    server.kill() if how == "SIGKILL" else server.stop()
    until(lambda: containers_of([sandbox.id]) == [] and frozen_groups() == [], 20)
    server.start()
    with server.client() as client:
        found = client.get("cold")
        said = "frozen" if how == "SIGKILL" else "server stopped"
        assert (found.status, found.frozen, said in found.reason) == ("paused", False, True)
        assert found.resume().files.read_text("x") == "1"
        found.stop()


def test_an_engine_that_is_killed_takes_what_is_frozen_with_it(
    own_server: Callable[..., Server], world: World
) -> None:
    server = own_server()
    with server.client() as client:
        sandbox = client.create("debian", command=["sh", "-c", COUNT], wait="log:3")
        sandbox.files.write("x", "1")
        sandbox.exec("sync")
        sandbox.pause(freeze=True)
        kill(int(str(world.engine_status()["pid"])), signal.SIGKILL)
        until(lambda: containers_of([sandbox.id]) == [], 20)
        until(lambda: not sandbox.refresh().frozen, 20)
        assert sandbox.status == "paused"
        assert sandbox.resume().files.read_text("x") == "1"
        assert frozen_groups() == [], "the next engine removes what was left"
        sandbox.stop()
