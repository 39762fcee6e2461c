"""Floods, exhaustion, two at once, restarts: what is not one process that dies."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from orkee_jupyter.client import LogEntry, OrkeeError
from tests.integration.processes import command_line, files, kill, pids, until
from tests.integration.test_faults import SMALL_DISK, create_many, fill
from tests.integration.test_limits import BOMB
from tests.integration.world import World

from .flood import GROWTH, MIB, peak
from .moments import Create
from .scene import Scene, Start
from .table import Row

pytestmark = [pytest.mark.faults, pytest.mark.engine, pytest.mark.slow, pytest.mark.native]
ENDLESS = "head -c 1000M /dev/zero | tr '\\0' x; echo; echo done >&2; sleep 600"
RESTARTS = 20


@pytest.fixture
def scene(world: World, own_server: Start) -> Scene:
    return Scene(world, own_server)


def told(row: Row, fault: str, moment: str, promise: str) -> None:
    row.fault, row.moment, row.promise = fault, moment, promise


def at_once(*calls: Callable[[], object]) -> list[str]:
    """Make calls in threads; return "ok" or the code of each."""
    outcomes: list[str] = []

    def run(call: Callable[[], object]) -> None:
        try:
            call()
            outcomes.append("ok")
        except OrkeeError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=run, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(outcomes)


@pytest.mark.quick
def test_of_two_creates_with_one_name_one_is_made(scene: Scene, row: Row) -> None:
    told(row, "two creates with one name", "at once", "one is made, the other gets `name_taken`")

    def create() -> None:
        with scene.server.client() as client:
            client.create("debian", name="twice")

    assert at_once(create, create) == ["name_taken", "ok"]
    assert [each["status"] for each in scene.server.rows(name="twice")] == ["active"]
    row.seen = scene.aftermath()


def test_a_stop_during_a_create_ends_it(scene: Scene, row: Row) -> None:
    told(row, "stop", "during create", "the create fails with the reason, its row is terminated")
    moment = Create(scene)
    moment.begin()
    stopped = scene.client.get("made").stop()
    row.seen = moment.end(goes_on=False)
    assert (stopped.status, moment.outcome) == ("terminated", "sandbox_not_active")
    row.seen = f"{scene.aftermath()}; {row.seen}"


@pytest.mark.timeout(300)
def test_restarts_in_a_row_lose_nothing(scene: Scene, row: Row) -> None:
    told(row, f"SIGKILL of the server {RESTARTS} times", "in a row", "resumed each time, whole")
    for number in range(RESTARTS):
        scene.server.kill()
        scene.restart()
        scene.kept.resume()
        scene.write(f"after-{number}")
    row.seen = scene.aftermath()


def mirror(world: World) -> int | None:
    """Return the process of the image mirror in the tests' engine."""
    engine = int(str(world.engine_status()["engine_pid"]))
    space = Path(f"/proc/{engine}/ns/pid").readlink()
    for pid in pids():
        with contextlib.suppress(OSError):
            ours = Path(f"/proc/{pid}/ns/pid").readlink() == space
            if ours and "docker-registry serve" in command_line(pid):
                return pid
    return None


def test_an_image_mirror_that_is_killed_comes_again(scene: Scene, world: World, row: Row) -> None:
    told(row, "SIGKILL of the image mirror", "during a pull", "a create may fail; the next works")

    def end() -> None:
        if (pid := mirror(world)) is not None:
            kill(pid)

    def make() -> None:
        with scene.client.create("python"):
            pass

    before = until(lambda: mirror(world), what="the mirror")
    outcomes = at_once(make, end)
    assert set(outcomes) <= {"ok", "engine_failed", "unknown_image"}, outcomes
    again = until(lambda: mirror(world), what="the mirror again")
    assert again != before

    def works() -> bool:
        with contextlib.suppress(OrkeeError):
            make()
            return True
        return False

    until(works, 30, what="a create")
    row.seen = f"the create under way: {outcomes[0]}; {scene.aftermath()}"


@pytest.mark.timeout(300)
def test_a_line_without_an_end_is_no_burden(scene: Scene, row: Row) -> None:
    told(row, "a log line of 1 GB", "at rest", "flat memory of the server, the sandbox works")
    before = peak(scene.server.pid)
    flooding = scene.client.create("debian", command=["sh", "-c", ENDLESS])
    with flooding.log_entries(follow=True) as entries:
        size = 0
        for entry in entries:
            assert len(entry.data) <= MIB
            size += len(entry.data)
            if entry.stream == "stderr":
                break
    grown = peak(scene.server.pid) - before
    assert grown < GROWTH, f"{grown / MIB:.0f} MiB"
    row.seen = f"{size / 1e6:.0f} MB read, {grown / MIB:.0f} MiB more memory; {scene.aftermath()}"


def test_a_log_that_is_no_text_is_kept_as_it_is(scene: Scene, row: Row) -> None:
    told(row, "invalid UTF-8 in a log", "at rest", "its bytes arrive, its lines are readable")
    command = ["sh", "-c", r"printf 'a\377\376\300b\n'; sleep 600"]
    sandbox = scene.client.create("debian", command=command, wait="log:b")
    with sandbox.log_entries() as entries:
        assert b"".join(entry.data for entry in entries) == b"a\xff\xfe\xc0b\n"
    (line,) = sandbox.logs()
    assert (line[0], line[-1]) == ("a", "b")
    row.seen = f"both; {scene.aftermath()}"


def test_a_flood_with_a_stopped_reader_costs_no_memory(scene: Scene, row: Row) -> None:
    told(row, "a log as fast as it can be written", "a reader stops for 10 s", "flat memory")
    before = peak(scene.server.pid)
    flooding = scene.client.create("debian", command=["sh", "-c", "yes flood"])
    path, worst = f"sandbox/{flooding.id}/logs", 0.0
    with scene.server.http() as http, http.stream("GET", path, params={"follow": "1"}) as answer:
        lines = answer.iter_lines()
        next(lines)
        deadline = time.monotonic() + 10  # in which nothing is read
        while time.monotonic() < deadline:
            began = time.monotonic()
            assert scene.kept.exec(["true"]).ok
            worst = max(worst, time.monotonic() - began)
        assert next(lines), "and then it goes on"
    grown = peak(scene.server.pid) - before
    assert grown < GROWTH, f"{grown / MIB:.0f} MiB"
    assert worst < 5, "the other sandbox answers"
    seen = f"{grown / MIB:.0f} MiB more memory, an exec beside it took {worst:.2f} s at most"
    row.seen = f"{seen}; {scene.aftermath()}"


STOPPED = 60  # seconds in which the reader reads nothing
LINES = 10_000 * STOPPED
#: Writes them at 10,000 a second, in portions of a tenth of one; then says how long that took.
RATED = f"""
import sys, time
begin = time.monotonic()
for n in range(0, {LINES}, 1000):
    sys.stdout.write("".join(f"line {{i}}\\n" for i in range(n, n + 1000)))
    sys.stdout.flush()
    time.sleep(max(0.0, begin + (n + 1000) / 10_000 - time.monotonic()))
print("took", time.monotonic() - begin, flush=True)
time.sleep(600)
"""


@pytest.mark.timeout(300)
def test_a_reader_that_stops_at_ten_thousand_lines_a_second(scene: Scene, row: Row) -> None:
    told(row, "10,000 lines/s for 60 s", "a reader stops for 60 s", "flat memory, no line unsaid")
    flooding = scene.client.create("python", command=["python3", "-c", RATED], wait="log:line")
    before = peak(scene.server.pid)
    with flooding.log_entries(follow=True) as entries:
        first = next(entries)
        worst = slowest_exec(scene, STOPPED)
        read, dropped, took = read_to_the_end(first, entries)
    grown = peak(scene.server.pid) - before
    assert grown < GROWTH, f"{grown / MIB:.0f} MiB"
    assert worst < 5, "the other sandbox answers"
    assert took < 1.2 * STOPPED, "nor was the command held up"
    assert read + dropped == sum(len(f"line {n}\n") for n in range(LINES))
    seen = f"{read} bytes read, {dropped} said to be dropped, {grown / MIB:.0f} MiB more memory"
    row.seen = f"{seen}, an exec beside it took {worst:.2f} s at most; {scene.aftermath()}"


def slowest_exec(scene: Scene, seconds: float) -> float:
    """Run commands in the other sandbox all the while; return how long one took at most."""
    worst, deadline = 0.0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        began = time.monotonic()
        assert scene.kept.exec(["true"]).ok
        worst = max(worst, time.monotonic() - began)
    return worst


def read_to_the_end(first: LogEntry, rest: Iterable[LogEntry]) -> tuple[int, int, float]:
    """Return the bytes of lines read and dropped, and the seconds that the command took."""
    data, dropped = bytearray(first.data), first.dropped
    for entry in rest:
        data += entry.data
        dropped += entry.dropped
        lines, _, end = bytes(data[-100:]).rpartition(b"took ")
        if lines and end.endswith(b"\n"):
            return len(data) - len(b"took " + end), dropped, float(end)
    raise AssertionError("the log ended before its last line")


def test_a_fork_bomb_harms_its_own_sandbox_alone(scene: Scene, row: Row) -> None:
    told(row, "fork bomb, `--pids 60`", "at rest", "its sandbox ends and says why, others live")
    bombed = scene.client.create("debian", pids=60)
    with pytest.raises(OrkeeError) as caught:
        bombed.exec(BOMB, timeout=30)
    assert caught.value.code == "limit_exceeded"
    until(lambda: bombed.refresh().status == "failed", what="the failure")
    row.seen = f"{bombed.reason}; {scene.aftermath()}"


@pytest.mark.timeout(180)
def test_a_full_disk_of_the_database(world: World, own_server: Start, row: Row) -> None:
    told(row, "the database's disk full", "create, stop", "creates get `disk_full`, stops work")
    disk = world.folder / "small"
    disk.mkdir()
    own = ["unshare", *([] if os.getuid() == 0 else ["--user", "--map-root-user"]), "--mount"]
    prefix = [*own, *SMALL_DISK, str(disk)]
    scene = Scene(world, own_server, prefix=prefix, database=disk / "sandboxes.duckdb")
    other = scene.client.create("debian", name="other")
    filler = Path(f"/proc/{scene.server.pid}/root{disk}/filler")
    fill(filler)
    with pytest.raises(OrkeeError) as caught:
        create_many(scene.client)
    assert caught.value.code == "disk_full"
    assert other.stop().status == "terminated"
    scene.write("meanwhile")
    filler.unlink()
    row.seen = scene.aftermath()


@contextlib.contextmanager
def exhausted(scene: Scene, descriptors: Path, limit: int) -> Iterator[None]:
    """Hold idle connections to the server until it has next to no descriptor left.

    In rounds: what it had open for a moment when it was counted first is free later.
    """
    host, port = scene.server.url.split("/")[2].split(":")
    with contextlib.ExitStack() as stack:

        def full() -> bool:
            missing = limit - 2 - len(list(descriptors.iterdir()))
            for _ in range(missing):
                stack.enter_context(socket.create_connection((host, int(port)), timeout=10))
            time.sleep(0.5)
            return missing <= 0

        until(full, 30, what="the exhaustion")
        yield


@pytest.mark.timeout(180)
def test_used_up_descriptors_refuse_creates_and_leak_nothing(
    world: World, own_server: Start, row: Row
) -> None:
    told(row, "the server's descriptors used up", "during create", "refused; then it works again")
    limit = 200
    scene = Scene(world, own_server, prefix=["prlimit", f"--nofile={limit}:{limit}"])
    descriptors = Path(f"/proc/{scene.server.pid}/fd")
    assert files() + limit < 4096, "this process has room for its side of them"
    with exhausted(scene, descriptors, limit), pytest.raises(OrkeeError) as caught:
        scene.client.create("debian", name="made")
    until(lambda: len(list(descriptors.iterdir())) < limit // 2, 20, what="free descriptors")
    row.seen = f"{caught.value.code}; {scene.aftermath()}"
