"""The daemon object against a scripted daemon: requests, exits, reserve, loss."""

from __future__ import annotations

import asyncio

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import ExecRequest, LogQuery
from orkee_jupyter.sandboxd import frames
from orkee_jupyter.sandboxd.hub import Hub

from .conftest import Connect, MakeHub
from .peer import PATIENCE, Peer, ScriptedDaemon

pytestmark = pytest.mark.asyncio
TRUE = ExecRequest(command=("true",))


async def test_start_sends_command_environment_and_directory(
    hub: Hub, sandbox_id: str, connect: Connect
) -> None:
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 5)
    starting = asyncio.create_task(daemon.start(["node", "x.js"], {"A": "1"}, "/app"))
    asked = await peer.answer(result={"pid": 7})
    assert await starting == 7
    assert asked["method"] == "start"
    assert asked["params"] == {"command": ["node", "x.js"], "env": {"A": "1"}, "cwd": "/app"}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("command_not_found", "command_not_found"),
        ("permission_denied", "command_not_executable"),
        ("bad_cwd", "invalid_directory"),
        ("bad_request", "invalid_request"),
        ("failed", "internal"),
    ],
)
async def test_a_refused_start_has_a_code_of_ours(
    hub: Hub, sandbox_id: str, connect: Connect, theirs: str, ours: str
) -> None:
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 5)
    starting = asyncio.create_task(daemon.start(["x"], {}, "/nowhere"))
    await peer.answer(error={"code": theirs, "message": "\x1b]0;hostile\x07"})
    with pytest.raises(OrkeeError) as caught:
        await starting
    assert caught.value.code == ours
    assert "\x1b" not in caught.value.cause


@pytest.mark.parametrize("asked", ["processes", "stats"])
async def test_a_refusal_of_what_is_never_refused_is_an_error_of_ours(
    hub: Hub, sandbox_id: str, connect: Connect, asked: str
) -> None:
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 5)
    asking = asyncio.create_task(getattr(daemon, asked)())
    await peer.answer(error={"code": "failed", "message": "no"})
    with pytest.raises(OrkeeError) as caught:
        await asking
    assert caught.value.code == "internal"


async def test_a_request_without_an_answer_fails_in_time(
    make_hub: MakeHub, sandbox_id: str, connect: Connect
) -> None:
    hub = make_hub(request=0.05)
    await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 5)
    with pytest.raises(OrkeeError) as caught:
        await daemon.start(None, {}, "/")
    assert caught.value.code == "link_failed"


async def test_no_daemon_means_link_failed(hub: Hub, sandbox_id: str) -> None:
    await hub.open(sandbox_id)
    with pytest.raises(OrkeeError) as caught:
        await hub.connected(sandbox_id, 0.05)
    assert caught.value.code == "link_failed"


async def test_the_exit_is_told_after_the_log_that_precedes_it(
    hub: Hub, sandbox_id: str, connect: Connect
) -> None:
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 5)
    notice = {"event": "exit", "exit_code": 3, "signal": None, "duration_ms": 12, "last_seq": 2}
    peer.control.json(frames.NOTICE, notice)
    peer.control.json(frames.NOTICE, notice)  # told again: once is enough
    peer.log.log(1, b"last ")
    peer.log.log(2, b"words\n")
    async with asyncio.timeout(PATIENCE):
        ended = await daemon.main_exit()
    assert (ended.exit_code, ended.duration) == (3, 0.012)
    log = [entry.data async for entry in hub.logs(sandbox_id, LogQuery())]
    assert b"".join(log) == b"last words\n"


async def test_cancelling_a_wait_for_the_exit_changes_nothing(
    hub: Hub, sandbox_id: str, connect: Connect
) -> None:
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 5)
    waiting = asyncio.ensure_future(daemon.main_exit())
    waiting.cancel()
    peer.control.json(
        frames.NOTICE,
        {"event": "exit", "exit_code": 143, "signal": "TERM", "duration_ms": 0, "last_seq": 0},
    )
    async with asyncio.timeout(PATIENCE):
        assert (await daemon.main_exit()).signal == "TERM"


async def test_a_control_connection_that_comes_back_keeps_the_daemon(
    hub: Hub, sandbox_id: str, connect: Connect
) -> None:
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 5)
    await peer.control.close()
    peer.control = await Peer.greet(peer.endpoint, "control")
    await peer.control.expect_json(frames.WELCOME)
    starting = asyncio.create_task(daemon.start(None, {}, "/"))
    await peer.answer(result={"pid": None})
    assert await starting is None
    await peer.control.close()


async def test_the_newest_control_connection_wins(
    hub: Hub, sandbox_id: str, connect: Connect
) -> None:
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 5)
    newer = await Peer.greet(peer.endpoint, "control")
    await newer.expect_json(frames.WELCOME)
    await peer.control.expect_end()
    peer.control, old = newer, peer.control
    starting = asyncio.create_task(daemon.start(None, {}, "/"))
    await peer.answer(result={"pid": 1})
    assert await starting == 1
    await old.close()
    await newer.close()


async def test_without_a_control_connection_the_daemon_is_lost(
    make_hub: MakeHub, sandbox_id: str, connect: Connect, link: str
) -> None:
    hub = make_hub(link, redial=0.1)
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 5)
    await peer.control.close()
    async with asyncio.timeout(PATIENCE):
        assert await daemon.lost() == "the daemon did not connect again"


async def test_the_end_of_the_container_is_noticed_sooner(
    make_hub: MakeHub, sandbox_id: str, connect: Connect, link: str
) -> None:
    hub = make_hub(link, redial=60, gone=0.1)
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 5)
    await peer.close()
    async with asyncio.timeout(PATIENCE):
        assert await daemon.lost() == "the sandbox's container ended"
    with pytest.raises(OrkeeError) as caught:
        await daemon.exec(TRUE)
    assert caught.value.code == "sandbox_lost"


async def test_a_daemon_that_answers_no_ping_is_lost(
    make_hub: MakeHub, sandbox_id: str, connect: Connect
) -> None:
    hub = make_hub(heartbeat=0.1)
    await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 5)
    async with asyncio.timeout(PATIENCE):
        assert await daemon.lost() == "the daemon stopped answering"


async def test_a_daemon_that_answers_its_pings_stays(
    make_hub: MakeHub, sandbox_id: str, connect: Connect
) -> None:
    hub = make_hub(heartbeat=0.1)
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 5)
    for _ in range(6):
        peer.control.raw(frames.encode(frames.PONG, await peer.control.expect(frames.PING)))
    assert not asyncio.ensure_future(daemon.lost()).done()


async def test_streams_are_handed_out_in_the_order_of_asking(
    hub: Hub, sandbox_id: str, connect: Connect
) -> None:
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 5)
    waits = [
        asyncio.create_task(daemon.exec(ExecRequest(command=(name,)))) for name in ("a", "b", "c")
    ]
    await asyncio.sleep(0)
    for name in ("a", "b", "c"):
        stream = await peer.stream()
        assert (await stream.expect_json(frames.OPEN))["command"] == [name]
        stream.json(frames.OPENED, {"credit": 0, "pid": 5})
    for wait in waits:
        await (await wait).close()


async def test_a_stream_for_one_who_left_goes_to_the_next(
    hub: Hub, sandbox_id: str, connect: Connect
) -> None:
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 5)
    gone = asyncio.create_task(daemon.exec(ExecRequest(command=("gone",))))
    await asyncio.sleep(0)
    there = asyncio.create_task(daemon.exec(ExecRequest(command=("there",))))
    await asyncio.sleep(0)
    gone.cancel()
    stream = await peer.stream()
    assert (await stream.expect_json(frames.OPEN))["command"] == ["there"]
    stream.json(frames.OPENED, {"credit": 0, "pid": 5})
    await (await there).close()


async def test_no_stream_in_time_is_link_failed(
    make_hub: MakeHub, sandbox_id: str, connect: Connect
) -> None:
    hub = make_hub(take=0.5)
    await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 5)
    with pytest.raises(OrkeeError) as caught:
        await daemon.exec(TRUE)
    assert caught.value.code == "link_failed"


async def test_stop_returns_when_the_daemon_has_gone(
    make_hub: MakeHub, sandbox_id: str, connect: Connect, link: str
) -> None:
    hub = make_hub(link, gone=60, redial=60)
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 5)
    stopping = asyncio.create_task(daemon.stop(2.5))
    assert (await peer.answer(result={}))["params"] == {"grace_ms": 2500}
    await peer.close()
    async with asyncio.timeout(PATIENCE):
        await stopping
        assert await daemon.lost() == "the sandbox was stopped"


async def test_stop_does_not_wait_long_for_a_daemon_that_ignores_it(
    hub: Hub, sandbox_id: str, connect: Connect
) -> None:
    await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 5)
    async with asyncio.timeout(PATIENCE):
        await daemon.stop(0)


async def test_the_log_resumes_where_it_broke(hub: Hub, sandbox_id: str, connect: Connect) -> None:
    peer: ScriptedDaemon = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 5)
    peer.log.log(1, b"one\n")
    await peer.log.close()
    again = await peer.stream()
    assert (await peer.accept_log(again))["after"] == 1
    again.log(2, b"two\n")
    again.raw(frames.encode_end(1) + frames.encode_end(2))
    log = [entry.data async for entry in hub.logs(sandbox_id, LogQuery(follow=True))]
    assert log == [b"one\n", b"two\n"]
    assert not asyncio.ensure_future(daemon.lost()).done()
