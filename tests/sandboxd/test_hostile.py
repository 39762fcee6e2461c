"""A hostile program in place of the daemon: it is cut off, and harms nobody else."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import ExecRequest
from orkee_jupyter.sandboxd import connections as connections_module
from orkee_jupyter.sandboxd import frames, greeting
from orkee_jupyter.sandboxd.control import NOTICE_BURST
from orkee_jupyter.sandboxd.hub import Hub
from orkee_jupyter.sandboxd.pump import LOG_WINDOW

from .conftest import Connect, MakeHub
from .peer import PATIENCE, Peer

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        bytes((frames.HELLO, 0xFF, 0xFF, 0xFF)),
        frames.encode(frames.HELLO, b"[" * 4000),
        frames.encode(frames.HELLO, b'{"protocol":1}'),
        frames.encode_end(1),
    ],
)
async def test_garbage_instead_of_hello_ends_that_connection_only(
    hub: Hub, sandbox_id: str, connect: Connect, sent: bytes
) -> None:
    peer = await connect(hub, sandbox_id)
    stranger = await Peer.dial(peer.endpoint)
    stranger.raw(sent)
    await stranger.expect_end()
    await stranger.close()
    daemon = await hub.connected(sandbox_id, 1)
    assert not asyncio.ensure_future(daemon.lost()).done()


@pytest.mark.parametrize(("token", "protocol"), [("0" * 64, 1), ("", 1), ("\ud800", 1), (None, 2)])
async def test_a_wrong_token_or_version_is_refused(
    hub: Hub, sandbox_id: str, token: str | None, protocol: int
) -> None:
    endpoint = await hub.open(sandbox_id)
    peer = await Peer.dial(endpoint)
    said = endpoint.token if token is None else token
    text = json.dumps({"protocol": protocol, "kind": "control", "token": said})
    peer.raw(frames.encode(frames.HELLO, text.encode()))
    await peer.expect_end()
    await peer.close()
    with pytest.raises(OrkeeError):
        await hub.connected(sandbox_id, 0.01)


async def test_a_silent_connection_is_closed(make_hub: MakeHub, sandbox_id: str, link: str) -> None:
    endpoint = await make_hub(link, hello=0.05).open(sandbox_id)
    peer = await Peer.dial(endpoint)
    peer.raw(b"\x01")  # a slow one is no better
    await peer.expect_end()
    await peer.close()


async def test_the_token_of_another_sandbox_does_not_open_this_ones_socket(
    make_hub: MakeHub, sandbox_id: str
) -> None:
    hub = make_hub("forwarded")
    mine, other = await hub.open(sandbox_id), await hub.open(secrets.token_hex(16))
    peer = await Peer.greet(mine, "control", other.token)
    await peer.expect_end()
    await peer.close()


async def test_a_token_dies_with_its_sandbox(make_hub: MakeHub, sandbox_id: str) -> None:
    hub = make_hub("direct")
    endpoint = await hub.open(sandbox_id)
    await hub.close(sandbox_id)
    peer = await Peer.greet(endpoint, "control")
    await peer.expect_end()
    await peer.close()


async def test_connections_that_say_nothing_are_counted_for_each_address(
    make_hub: MakeHub, sandbox_id: str, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greeting, "MAX_WAITING_EACH", 3)
    endpoint = await make_hub(link).open(sandbox_id)
    peers = [await Peer.dial(endpoint) for _ in range(4)]
    await peers[3].expect_end()
    peers[0].hello("control", endpoint.token)
    await peers[0].expect(frames.WELCOME)
    for peer in peers:
        await peer.close()


async def test_idle_connections_beyond_the_reserve_are_closed(
    hub: Hub, sandbox_id: str, connect: Connect
) -> None:
    peer = await connect(hub, sandbox_id)
    for _ in range(connections_module.MAX_IDLE):
        await peer.stream()
    await (await peer.stream()).expect_end()


async def test_a_sandbox_has_at_most_so_many_connections(
    hub: Hub, sandbox_id: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections_module, "MAX_CONNECTIONS", 3)
    peer = await connect(hub, sandbox_id)
    await peer.stream()
    await (await peer.stream()).expect_end()


CONTROL_OFFENCES = {
    "a second HELLO": frames.encode_json(frames.HELLO, {"protocol": 1}),
    "a PONG of no PING": frames.encode_u64(frames.PONG, 77),
    "a REPLY to nothing": frames.encode_json(frames.REPLY, {"id": 9, "result": {}}),
    "a REPLY to True": frames.encode_json(frames.REPLY, {"id": True, "result": {}}),
    "an impossible exit": frames.encode_json(
        frames.NOTICE, {"event": "exit", "exit_code": 999, "duration_ms": 0, "last_seq": 0}
    ),
    "a giant": bytes((frames.NOTICE, 0xFF, 0xFF, 0xFF)),
    "data": frames.encode_data(1, b"x"),
}


@pytest.mark.parametrize("offence", CONTROL_OFFENCES)
async def test_an_offence_on_the_control_connection_ends_the_sandbox(
    hub: Hub, sandbox_id: str, connect: Connect, offence: str
) -> None:
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 1)
    await peer.stream()
    peer.control.raw(CONTROL_OFFENCES[offence])
    async with asyncio.timeout(PATIENCE):
        assert (await daemon.lost()).startswith("the daemon broke the protocol: it")
    await peer.log.expect_end()


async def test_notices_without_an_end_end_the_sandbox(
    hub: Hub, sandbox_id: str, connect: Connect
) -> None:
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 1)
    notice = frames.encode_json(frames.NOTICE, {"event": "other", "more": "x" * 250_000})
    for _ in range(NOTICE_BURST // 250_000 // 2):
        peer.control.raw(notice)
    asking = asyncio.create_task(daemon.signal("TERM"))
    await peer.answer(result={})
    await asking  # so all before was taken
    again = await Peer.greet(peer.endpoint, "control")  # which begins no new quota
    for _ in range(NOTICE_BURST // 250_000 // 2 + 5):
        again.raw(notice)
    async with asyncio.timeout(PATIENCE):
        assert "more notices than" in await daemon.lost()
    await again.close()


async def test_a_request_is_answered_once(hub: Hub, sandbox_id: str, connect: Connect) -> None:
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 1)
    asking = asyncio.create_task(daemon.signal("TERM"))
    asked = await peer.answer(result={})
    peer.control.json(frames.REPLY, {"id": asked["id"], "result": {}})
    async with asyncio.timeout(PATIENCE):
        await asking
        assert "or twice" in await daemon.lost()


async def test_log_entries_beyond_the_credit_end_the_sandbox(
    hub: Hub, sandbox_id: str, connect: Connect
) -> None:
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 1)
    disk = threading.Event()  # a disk that hangs, so that nothing is given back
    hub._writer.submit(disk.wait)
    for seq in range(1, LOG_WINDOW // 16401 + 2):
        peer.log.log(seq, b"x" * 16384)
    async with asyncio.timeout(PATIENCE):
        lost = await daemon.lost()
    disk.set()
    assert lost == "the daemon broke the protocol: it sent more than its credit"


async def test_exec_output_beyond_the_credit_ends_the_sandbox(
    hub: Hub, sandbox_id: str, connect: Connect
) -> None:
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 1)
    stream = await peer.stream()
    starting = asyncio.create_task(daemon.exec(ExecRequest(command=("x",))))
    asked = await stream.expect_json(frames.OPEN)
    stream.json(frames.OPENED, {"credit": 0, "pid": 5})
    running = await starting  # which nobody reads
    for _ in range(asked["credit"] // 65536 + 1):
        stream.data(1, b"x" * 65535)
    async with asyncio.timeout(PATIENCE):
        assert await daemon.lost() == "the daemon broke the protocol: it sent more than its credit"
        with pytest.raises(OrkeeError) as caught:
            await running.exit()
    assert caught.value.code == "sandbox_lost"


async def test_a_frame_on_an_idle_connection_ends_the_sandbox(
    hub: Hub, sandbox_id: str, connect: Connect
) -> None:
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 1)
    (await peer.stream()).data(1, b"x")
    async with asyncio.timeout(PATIENCE):
        assert "out of turn" in await daemon.lost()
