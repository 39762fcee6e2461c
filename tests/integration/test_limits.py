"""Limits in earnest, kept from outside and from inside, over both links; and what is used.

Whatever hogs here is bounded by itself: should a limit not be kept, it is the test that fails.
"""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections.abc import Iterator

import pytest

from orkee_jupyter.client import Client, OrkeeError, Sandbox

from .conftest import LINKS
from .processes import until
from .servers import Server
from .world import World

KEEPERS = ("outside", "inside")
#: Takes 200 MiB at most, and gives them back.
HOG = "head -c 200m /dev/zero | tail | wc -c"
#: Doubles to 511 processes at most, which end by themselves.
BOMB = "b() { [ $1 -gt 7 ] && exec sleep 20; b $(($1+1)) & b $(($1+1)) & wait; }; b 0"
#: Computes with two processes for some seconds.
BURN = "for i in 1 2; do timeout {} sh -c 'while :; do :; done' & done; wait"


@pytest.fixture(scope="module")
def insiders(world: World) -> Iterator[dict[str, Server]]:
    """Give servers that leave the engine's cgroups alone, one for each link."""
    options = ("--OrkeeExtension.limits=inside",)
    made = {
        link: Server(world, f"inside-{link}", f"--OrkeeExtension.link={link}", *options)
        for link in LINKS
    }
    for server in made.values():
        server.launch()
    for server in made.values():
        server.wait_until_up()
    yield made
    for server in made.values():
        server.stop()


@pytest.fixture(params=KEEPERS)
def keeper(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=LINKS)
def link(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def kept(
    keeper: str,
    link: str,
    world: World,
    servers: dict[str, Server],
    insiders: dict[str, Server],
) -> Iterator[tuple[str, Client]]:
    """Give who keeps the limits and a client, for each way and link."""
    if keeper == "outside" and str(world.engine_status().get("cgroups", "none")).startswith("none"):
        pytest.skip("this engine can make no cgroup")
    with (servers if keeper == "outside" else insiders)[link].client() as client:
        yield keeper, client


def failed(sandbox: Sandbox, reason: str) -> None:
    """Wait until a sandbox has failed for a reason."""
    until(lambda: sandbox.refresh().status == "failed", 60, what="the failure")
    assert sandbox.reason == reason


def test_a_memory_hog_is_ended_and_its_sandbox_says_why(kept: tuple[str, Client]) -> None:
    keeper, client = kept
    sandbox = client.create("debian", memory="64m")
    assert sandbox.enforced == {"memory": keeper}
    begun = time.monotonic()
    with pytest.raises(OrkeeError) as caught:
        sandbox.exec(HOG, timeout=30)
    assert time.monotonic() - begun < 25, "its own timeout is 30 s"
    assert caught.value.code == "limit_exceeded"
    assert caught.value.details["reason"] == "memory limit 64 MiB"
    failed(sandbox, "memory limit 64 MiB")


def test_a_fork_bomb_is_ended_and_its_sandbox_says_why(kept: tuple[str, Client]) -> None:
    keeper, client = kept
    sandbox = client.create("debian", pids=60)
    assert sandbox.enforced == {"pids": keeper}
    with pytest.raises(OrkeeError) as caught:
        sandbox.exec(BOMB, timeout=30)
    assert caught.value.code == "limit_exceeded"
    failed(sandbox, "process limit 60")


def test_a_main_command_that_hogs_fails_its_sandbox(kept: tuple[str, Client]) -> None:
    _, client = kept
    command = ["sh", "-c", f"sleep 1; {HOG}; sleep 60"]
    sandbox = client.create("debian", memory="64m", command=command)
    failed(sandbox, "memory limit 64 MiB")


def test_within_its_limits_a_sandbox_works(kept: tuple[str, Client]) -> None:
    _, client = kept
    with client.create("debian", memory="256m", pids=60, cpus=1, timeout="5m") as sandbox:
        result = sandbox.exec(
            "for i in $(seq 30); do sleep 0.3 & done; wait; " + HOG.replace("200", "50")
        )
        assert (result.exit_code, result.stdout.strip()) == (0, str(50 * 1024**2))
        assert sandbox.refresh().status == "active"
        assert (sandbox.limits.memory, sandbox.limits.pids, sandbox.timeout) == (256 << 20, 60, 300)


def latency(sandbox: Sandbox) -> float:
    """Return the median seconds of a short command."""
    taken = []
    for _ in range(15):
        begun = time.monotonic()
        assert sandbox.exec(["true"]).exit_code == 0
        taken.append(time.monotonic() - begun)
    return statistics.median(taken)


def test_a_burner_is_held_back_and_its_neighbour_keeps_its_speed(kept: tuple[str, Client]) -> None:
    keeper, client = kept
    with client.create("debian") as neighbour, client.create("debian", cpus=0.5) as burner:
        alone = latency(neighbour)
        process = burner.popen(["sh", "-c", BURN.format(4)])
        beside = latency(neighbour)
        assert beside < max(5 * alone, 1.0), (keeper, alone, beside)
        assert process.wait().exit_code == 0
        used = burner.stats()
        print(f"{keeper}: {alone * 1000:.1f} ms alone, {beside * 1000:.1f} ms beside; {used}")
        assert used.cpu_seconds < 3.0, "of 8 that it wanted, 2 were its share"
        # Where others keep the machine busy it may not even get that.
        assert used.throttled_seconds > 0.1 or used.cpu_seconds < 1.7
        assert burner.refresh().status == "active"


def test_a_timeout_ends_whatever_goes_on(kept: tuple[str, Client]) -> None:
    _, client = kept
    sandbox = client.create("debian", timeout=3)
    with pytest.raises(OrkeeError) as caught:
        sandbox.exec(["sleep", "60"])
    assert caught.value.code == "limit_exceeded"
    failed(sandbox, "timeout 3 s")


def test_stats_follow_what_a_sandbox_does(sandbox: Sandbox) -> None:
    sandbox.exec("head -c 5000000 /dev/zero > file")
    with sandbox.popen(["sh", "-c", "head -c 30m /dev/zero | tail -c 30m | sleep 30"]):
        used = until(lambda: sandbox.stats() if sandbox.stats().processes >= 3 else None)
        assert used.threads >= used.processes
        until(lambda: sandbox.stats().memory_bytes > 20 << 20, what="the memory")
        until(lambda: (sandbox.stats().disk_bytes or 0) > 4_900_000, 40, what="the disk")
    last = until(lambda: sandbox.refresh().last_stats, what="the last sample")
    assert last.network_received_bytes >= 0


def test_followed_stats_end_with_their_sandbox(client: Client) -> None:
    sandbox = client.create("debian")
    taken = []
    for used in sandbox.follow_stats(0.2):
        taken.append(used)
        if len(taken) == 3:
            sandbox.stop()
    assert [b.time > a.time for a, b in itertools.pairwise(taken)].count(False) == 0


def test_the_command_line_shows_what_is_used(server: Server) -> None:
    made = server.cli("sandbox", "create", "debian", "--memory", "128m", "--cpus", "1", "--json")
    name = json.loads(made.stdout)["id"]
    try:
        shown = server.cli("sandbox", "stats", name)
        assert shown.returncode == 0, shown.stderr
        assert b"of 128 MiB" in shown.stdout
        assert json.loads(server.cli("sandbox", "stats", name, "--json").stdout)["id"] == name
    finally:
        server.cli("sandbox", "stop", name)
