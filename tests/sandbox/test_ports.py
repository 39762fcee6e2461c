"""The ports of sandboxes: what users ask for, what is found later, and waiting for it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from orkee_jupyter.sandbox.conditions import Condition, parse_condition
from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.forward import MAX_MAPPINGS
from orkee_jupyter.sandbox.model import Sandbox, Status, to_json
from orkee_jupyter.sandbox.portspec import parse_ports
from orkee_jupyter.sandbox.requests import decode_create, decode_port, decode_wait
from tests.fakes.clock import settle
from tests.fakes.ports import FakePortMap

from .world import OWNER, World, error_of, world

# -- how ports are written ------------------------------------------------------------


def test_a_port_may_name_the_hosts() -> None:
    assert parse_ports([3000, "8080:5000"]) == ((3000, 5000), {5000: 8080})
    request = decode_create({"ports": ["8080:3000"]})
    assert (request.ports, request.host_ports) == ((3000,), {3000: 8080})


@pytest.mark.parametrize(
    "ports",
    [
        "3000",
        ["3000"],
        ["a:3000"],
        ["127.0.0.1:80:3000"],
        ["0:3000"],
        ["80:70000"],
        ["80:3000", "80:3001"],
        ["80:3000", 3000],
        [None],
    ],
)
def test_what_is_no_port_is_refused(ports: object) -> None:
    with pytest.raises(OrkeeError) as caught:
        parse_ports(ports)
    assert caught.value.code == "invalid_port"


def test_a_port_of_a_path_is_a_number() -> None:
    assert decode_port("3000") == 3000
    for text in ("0", "70000", "8080:3000", "x"):
        with pytest.raises(OrkeeError):
            decode_port(text)


# -- what a sandbox has ----------------------------------------------------------------


def ports_of(made: World, sandbox: Sandbox) -> FakePortMap:
    return made.hub.ports(sandbox.id)


async def current(made: World, sandbox: Sandbox) -> Sandbox:
    return await made.manager.get(sandbox.id, OWNER)


def listed(sandbox: Sandbox) -> list[tuple[int, int | None, bool]]:
    return [(each.port, each.host_port, each.listening) for each in sandbox.port_map]


@pytest.mark.asyncio
async def test_ports_given_at_create_are_open_when_it_is_active() -> None:
    async with world() as made:
        sandbox = await made.create(ports=(3000, 5000), host_ports={5000: 8080})
        assert listed(sandbox) == [(3000, 3000, False), (5000, 8080, False)]
        assert sandbox.host_url == "http://127.0.0.1:3000"
        assert made.store.rows[sandbox.id].host_url == sandbox.host_url
        assert to_json(sandbox)["port_map"][1] == {
            "port": 5000,
            "host_port": 8080,
            "url": "http://127.0.0.1:8080",
            "listening": False,
        }


@pytest.mark.asyncio
async def test_a_second_sandbox_gets_another_number() -> None:
    async with world() as made:
        numbers = {(await made.create(ports=(3000,))).port_map[0].host_port for _ in range(5)}
        assert len(numbers) == 5


@pytest.mark.asyncio
async def test_a_wanted_port_that_is_taken_fails_before_a_container_starts() -> None:
    async with world() as made:
        made.hub.host.taken.add(8080)
        error = await error_of(made.create(ports=(3000, 5000), host_ports={5000: 8080}))
        assert error.code == "port_taken"
        assert made.hub.host.taken == {8080}
        assert [row.status for row in made.rows] == [Status.FAILED]


@pytest.mark.asyncio
async def test_a_port_found_later_is_opened_and_published_but_not_at_its_own_number() -> None:
    async with world() as made:
        sandbox = await made.create(ports=())
        assert sandbox.host_url is None
        ports_of(made, sandbox).hear(5000)
        await made.clock.advance(1)
        [(port, number, listening)] = listed(await current(made, sandbox))
        assert (port, listening) == (5000, True)
        assert number != 5000
        assert made.published[-1].host_url == f"http://127.0.0.1:{number}"


@pytest.mark.asyncio
async def test_a_port_keeps_its_address_while_its_server_restarts() -> None:
    async with world() as made:
        sandbox = await made.create(ports=(3000,))
        before = listed(sandbox)
        for ports in ((3000,), (), (3000, 4000), (4000,), (3000, 4000)):
            ports_of(made, sandbox).hear(*ports)
            await made.clock.advance(1)
        after = await current(made, sandbox)
        assert [each[:2] for each in listed(after)][:1] == [before[0][:2]]
        assert [each.listening for each in after.port_map] == [True, True]


@pytest.mark.asyncio
async def test_a_sandbox_that_opens_port_after_port_takes_no_more_than_its_share() -> None:
    async with world() as made:
        sandbox = await made.create(ports=(3000,))
        ports_of(made, sandbox).hear(*range(10_000, 10_200))
        await made.clock.advance(1)
        assert len((await current(made, sandbox)).port_map) == MAX_MAPPINGS
        ports_of(made, sandbox).hear(20_000)
        await made.clock.advance(1)
        kept = (await current(made, sandbox)).port_map
        assert len(kept) == MAX_MAPPINGS
        assert (kept[0].port, kept[-1].port) == (3000, 20_000)


@pytest.mark.asyncio
async def test_changes_are_told_ten_times_a_second_at_most() -> None:
    async with world() as made:
        sandbox = await made.create(ports=())
        ports, before = ports_of(made, sandbox), len(made.published)
        for number in range(200):
            ports.hear(5000 + number % 2)
            await settle()
        assert len(made.published) - before <= 2


@pytest.mark.asyncio
@pytest.mark.parametrize("how", ["stopped", "lost"])
async def test_ports_end_with_the_container(how: str) -> None:
    async with world() as made:
        sandbox = await made.create(ports=(3000,))
        if how == "stopped":
            await made.manager.stop(sandbox.id, OWNER)
        else:
            made.daemon(sandbox).lose("it was killed")
            await made.clock.advance(30)
        after = await current(made, sandbox)
        assert (after.port_map, after.host_url) == ((), None)
        assert made.hub.host.taken == set()


@pytest.mark.asyncio
async def test_traffic_renews_the_lifetime() -> None:
    async with world() as made:
        sandbox = await made.create(ports=(3000,), ttl=100)
        await made.clock.advance(50)
        ports_of(made, sandbox).used()
        assert (await current(made, sandbox)).expires_at == sandbox.expires_at + 50


@pytest.mark.asyncio
async def test_a_connection_is_for_the_owner_of_an_active_sandbox() -> None:
    async with world() as made:
        sandbox = await made.create(ports=(3000,))
        ports_of(made, sandbox).hear(3000)
        (await made.manager.connect(sandbox.id, 3000, OWNER)).close()
        other = await error_of(made.manager.connect(sandbox.id, 3000, "eve"))
        await made.manager.stop(sandbox.id, OWNER)
        ended = await error_of(made.manager.connect(sandbox.id, 3000, OWNER))
    assert (other.code, ended.code) == ("sandbox_not_found", "sandbox_not_active")


# -- waiting -------------------------------------------------------------------------------


def test_conditions_are_read() -> None:
    assert parse_condition("port:3000") == Condition("port", 3000)
    assert parse_condition("http:3000") == Condition("http", 3000, "/")
    assert parse_condition("http:3000/a?b=c") == Condition("http", 3000, "/a?b=c")
    assert parse_condition("log:ready in \\d+ ms") == Condition("log", text="ready in \\d+ ms")
    assert parse_condition("exec:test -f x:y") == Condition("exec", text="test -f x:y")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3000",
        "port:",
        "port:x",
        "port:0",
        "port:3000/x",
        "http:3000x",
        "http://x",
        "log:(",
        "udp:1",
        5,
    ],
)
def test_what_cannot_be_waited_for_is_refused(text: object) -> None:
    with pytest.raises(OrkeeError) as caught:
        parse_condition(text)
    assert caught.value.code in ("invalid_request", "invalid_port")


@pytest.mark.parametrize("body", [{}, {"for": "log:x"}, {"for": "port:1", "timeout": -1}])
def test_the_server_waits_for_ports_and_pages_only(body: dict[str, Any]) -> None:
    with pytest.raises(OrkeeError):
        decode_wait(body)


async def waiting(
    made: World, sandbox: Sandbox, text: str, seconds: float = 10
) -> asyncio.Task[Sandbox]:
    """Begin to wait."""
    work = made.manager.wait(sandbox.id, parse_condition(text), seconds, OWNER)
    task = asyncio.create_task(work)
    await settle()
    assert not task.done()
    return task


@pytest.mark.asyncio
async def test_waiting_for_a_port_ends_when_it_is_listened_on() -> None:
    async with world() as made:
        sandbox = await made.create(ports=(3000,))
        task = await waiting(made, sandbox, "port:3000")
        ports_of(made, sandbox).hear(3000)
        assert (await task).id == sandbox.id


@pytest.mark.asyncio
async def test_waiting_for_a_page_ends_with_its_first_good_answer() -> None:
    async with world() as made:
        sandbox = await made.create(ports=(3000,))
        ports = ports_of(made, sandbox)
        ports.hear(3000)
        task = await waiting(made, sandbox, "http:3000/up")
        loop = asyncio.get_running_loop()
        for answer in (b"HTTP/1.1 503 No\r\n\r\n", b"no http", b"", b"HTTP/1.0 204 OK\r\n\r\n"):
            async with asyncio.timeout(5):
                while not ports.peers:
                    await made.clock.advance(0.1)
                    await asyncio.sleep(0)
                _, peer = ports.peers.pop()
                asked = await loop.sock_recv(peer, 4096)
                assert asked.startswith(b"GET /up HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n")
                await loop.sock_sendall(peer, answer)
                peer.close()
        async with asyncio.timeout(5):
            await task


@pytest.mark.asyncio
async def test_waiting_too_long_tells_the_last_lines() -> None:
    async with world() as made:
        sandbox = await made.create(ports=(), command=("sh", "-c", "echo one;echo two;sleep 9"))
        task = await waiting(made, sandbox, "port:3000", 5)
        await made.clock.advance(6)
        error = await error_of(task)  # type: ignore[arg-type]  # a task is awaited alike
    assert (error.code, error.details["lines"]) == ("wait_timeout", ["one", "two"])


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("how", "code"),
    [("exit", "command_exited"), ("lose", "sandbox_lost"), ("stop", "sandbox_lost")],
)
async def test_waiting_in_vain_ends_at_once(how: str, code: str) -> None:
    async with world() as made:
        sandbox = await made.create(command=("cat",))
        task = await waiting(made, sandbox, "port:3000")
        if how == "exit":
            process = made.daemon(sandbox)._process
            assert process is not None
            process.kill("KILL")
        elif how == "lose":
            made.daemon(sandbox).lose("it was killed")
        else:
            await made.manager.stop(sandbox.id, OWNER)
        error = await error_of(task)  # type: ignore[arg-type]  # a task is awaited alike
        assert error.code == code


@pytest.mark.asyncio
async def test_a_command_that_ends_well_may_have_left_a_server_behind() -> None:
    async with world() as made:
        sandbox = await made.create(command=("cat",))
        task = await waiting(made, sandbox, "port:3000")
        process = made.daemon(sandbox)._process
        assert process is not None
        process.stdin.put_nowait(None)
        await settle()
        assert not task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
