"""Ports and waiting, over a real connection."""

from __future__ import annotations

import asyncio
import base64

import pytest

from orkee_jupyter.client import AsyncSandbox, Client, OrkeeError, Sandbox
from orkee_jupyter.sandbox.errors import OrkeeError as Original

from .stub_server import TOKEN, StubServer

MAP = [
    {"port": 3000, "host_port": 40000, "url": "http://127.0.0.1:40000", "listening": True},
    {"port": 5000, "host_port": 41000, "url": "http://127.0.0.1:41000", "listening": False},
]


def log(*lines: str) -> list[dict[str, object]]:
    data = [base64.b64encode(f"{line}\n".encode()).decode() for line in lines]
    return [
        {"seq": seq, "time": 1.0, "stream": "stdout", "base64": each}
        for seq, each in enumerate(data, 1)
    ]


def test_a_sandbox_says_where_its_ports_are(stub: StubServer) -> None:
    stub.add(name="web", port_map=MAP)
    sandbox = Sandbox.get("web")
    assert (sandbox.url(), sandbox.url(5000)) == ("http://127.0.0.1:40000", MAP[1]["url"])
    assert [each["port"] for each in sandbox.port_map] == [3000, 5000]
    for port in (None, 9):
        stub.sandboxes[sandbox.id]["port_map"] = []
        with pytest.raises(OrkeeError) as caught:
            sandbox.refresh().url(port)
        assert caught.value.code == "invalid_port"


def test_a_link_has_the_servers_url_where_there_is_one(stub: StubServer) -> None:
    stub.add(name="web")
    path = f"/orkee/proxy/{Sandbox.get('web').id}/3000/~secret/"
    assert Sandbox.get("web").proxy_link(3000) == path
    with Client(stub.url, TOKEN) as client:
        assert client.get("web").proxy_link(3000) == stub.url.rstrip("/") + path


def test_a_create_waits_for_one_thing_after_the_other(stub: StubServer) -> None:
    stub.logs = log("starting", "ready in 5 ms")
    Sandbox.create(ports=["8080:3000"], wait=["port:3000", "log:ready in \\d+"], wait_timeout=5)
    sent = [body for method, uri, body in stub.requests if method == "POST"]
    assert sent[0] == {"ports": ["8080:3000"]}
    assert sent[1]["for"] == "port:3000"
    assert 4 < sent[1]["timeout"] <= 5


def test_the_servers_reason_is_raised(stub: StubServer) -> None:
    stub.add(name="web")
    stub.fail_wait = Original("wait_timeout", "No.", "Wait.", details={"lines": ["a", "b"]})
    with pytest.raises(OrkeeError) as caught:
        Sandbox.get("web").wait_for("http:3000/health", 1)
    assert (caught.value.code, caught.value.details["lines"]) == ("wait_timeout", ["a", "b"])


@pytest.mark.parametrize("condition", ["log:never", "exec:false"])
def test_waiting_too_long_tells_the_last_lines(stub: StubServer, condition: str) -> None:
    stub.add(name="web")
    stub.logs = log("one", "two")
    with pytest.raises(OrkeeError) as caught:
        Sandbox.get("web").wait_for(condition, 0.3)
    assert (caught.value.code, caught.value.details["lines"]) == ("wait_timeout", ["one", "two"])


@pytest.mark.parametrize(
    ("facts", "code"),
    [({"status": "paused"}, "sandbox_lost"), ({"exit_code": 1}, "command_exited")],
)
def test_waiting_in_vain_ends_at_once(
    stub: StubServer, facts: dict[str, object], code: str
) -> None:
    stub.add(name="web", **facts)
    with pytest.raises(OrkeeError) as caught:
        Sandbox.get("web").wait_for("log:never", 30)
    assert caught.value.code == code


def test_a_command_is_run_until_it_succeeds(stub: StubServer) -> None:
    stub.add(name="web")
    assert Sandbox.get("web").wait_for("exec:true", 5).name == "web"


@pytest.mark.asyncio
async def test_the_async_face_waits_too(stub: StubServer) -> None:
    stub.add(name="web")
    sandbox = await AsyncSandbox.get("web")
    waiting = asyncio.create_task(sandbox.wait_for("log:late", 10))
    await asyncio.sleep(0)
    stub.logs = log("late")
    assert await waiting is sandbox
    await sandbox._connection.aclose()


def test_what_cannot_be_waited_for_is_refused_here(stub: StubServer) -> None:
    stub.add(name="web")
    sandbox = Sandbox.get("web")
    before = len(stub.requests)
    with pytest.raises(OrkeeError):
        sandbox.wait_for("soon")
    assert len(stub.requests) == before
