"""The sync face against a real server on a unix socket."""

from __future__ import annotations

import asyncio
import threading

import pytest

from orkee_jupyter.client import Client, OrkeeError, Sandbox
from orkee_jupyter.sandbox.errors import OrkeeError as Original

from .stub_server import TOKEN, StubServer


def test_create_returns_an_active_sandbox_and_tells_each_step(stub: StubServer) -> None:
    steps: list[str] = []
    sandbox = Sandbox.create(
        "node", name="web", ports=[3000], env={"A": "1"}, labels={"k": "v"}, ttl="30m",
        command=["node", "x.js"], working_directory="/srv", project="p", image="node:20",
        on_progress=steps.append,
    )  # fmt: skip
    assert (sandbox.status, sandbox.name, sandbox.ports) == ("active", "web", [3000])
    assert sandbox.host_url == "http://127.0.0.1:40000"
    assert sandbox.short_id == sandbox.id[:12]
    assert steps == ["pulling node:18-alpine", "starting \u2028 the container"]
    assert stub.requests[-1][2] == {
        "template": "node", "name": "web", "image": "node:20", "project": "p", "ports": [3000],
        "env": {"A": "1"}, "labels": {"k": "v"}, "ttl": "30m", "command": ["node", "x.js"],
        "working_directory": "/srv",
    }  # fmt: skip


def test_create_leaves_to_the_server_what_is_not_given(stub: StubServer) -> None:
    Sandbox.create()
    assert stub.requests[-1][2] == {}


def test_create_raises_the_servers_problem_before_the_stream(stub: StubServer) -> None:
    with pytest.raises(OrkeeError) as caught:
        Sandbox.create("nope")
    assert (caught.value.code, caught.value.remedy) == ("unknown_template", "Use node.")


def test_create_raises_the_servers_problem_in_the_stream(stub: StubServer) -> None:
    stub.fail_create = Original("command_exited", "It ended.", "Read.", details={"exit_code": 3})
    with pytest.raises(OrkeeError) as caught:
        Sandbox.create()
    assert (caught.value.code, caught.value.details) == ("command_exited", {"exit_code": 3})


def test_a_create_whose_connection_breaks_is_not_sent_twice(stub: StubServer) -> None:
    stub.break_create = True
    with pytest.raises(OrkeeError, match="broke") as caught:
        Sandbox.create()
    assert caught.value.code == "server_unreachable"
    assert len(stub.requests) == 1


def test_a_request_that_json_cannot_say_is_refused_here(stub: StubServer) -> None:
    with pytest.raises(OrkeeError) as caught:
        Sandbox.create(ports=[object()])  # type: ignore[list-item]
    assert caught.value.code == "invalid_request"


def test_get_finds_by_prefix_and_name(stub: StubServer) -> None:
    data = stub.add(name="a b%/c?")
    assert Sandbox.get(data["id"][:6]).id == data["id"]
    assert Sandbox.get("a b%/c?").id == data["id"]
    with pytest.raises(OrkeeError) as caught:
        Sandbox.get("ffff")
    assert caught.value.code == "sandbox_not_found"


@pytest.mark.parametrize("ref", ["", ".", ".."])
def test_a_reference_that_is_no_name_is_not_found(stub: StubServer, ref: str) -> None:
    with pytest.raises(OrkeeError) as caught:
        Sandbox.get(ref)
    assert caught.value.code == "sandbox_not_found"
    assert not stub.requests


def test_list_walks_all_pages_and_filters(stub: StubServer) -> None:
    for number in range(5):
        stub.add(labels={"odd": str(number % 2)})
    assert len(Sandbox.list()) == 5
    assert len(stub.requests) == 3
    assert len(Sandbox.list(status=["active", "paused"], labels={"odd": "1"})) == 2
    assert Sandbox.list(status="paused") == []


def test_refresh_and_stop_update_the_object(stub: StubServer) -> None:
    data = stub.add()
    sandbox = Sandbox.get(data["id"])
    data["host_url"] = "http://127.0.0.1:5"
    assert sandbox.refresh().host_url == "http://127.0.0.1:5"
    assert sandbox.stop().status == "terminated"
    with pytest.raises(OrkeeError) as caught:
        sandbox.stop()
    assert caught.value.code == "sandbox_not_active"


def test_the_context_manager_stops_once_and_forgives_an_earlier_end(stub: StubServer) -> None:
    with Sandbox.create() as sandbox:
        pass
    assert stub.sandboxes[sandbox.id]["status"] == "terminated"
    with Sandbox.create() as sandbox:
        sandbox.stop()


def test_the_error_of_a_with_body_is_not_hidden_by_a_failing_stop(stub: StubServer) -> None:
    def work() -> None:
        with Sandbox.create():
            stub.close()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        work()
    assert "was not stopped" in caught.value.__notes__[0]


def test_the_sync_face_works_inside_a_running_event_loop(stub: StubServer) -> None:
    async def main() -> str:
        return Sandbox.create().status

    assert asyncio.run(main()) == "active"


def test_threads_share_the_default_connection(stub: StubServer) -> None:
    threads = [threading.Thread(target=Sandbox.create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stub.sandboxes) == 8


def test_a_client_tells_templates_engine_and_cleans(stub: StubServer) -> None:
    stub.add(labels={"expired": "1"})
    with Client() as client:
        assert client.templates()[0]["name"] == "node"
        assert client.engine()["chosen"] == "native"
        assert [sandbox.status for sandbox in client.clean()] == ["terminated"]
        assert client.create("node").id == client.get("0002").id
        assert len(client.list()) == 2


def test_a_client_reaches_a_server_by_url_and_token(stub: StubServer) -> None:
    with Client(stub.url, TOKEN) as client:
        assert client.create().status == "active"
        assert client.address is not None
        assert TOKEN not in repr(client.address)


def test_a_wrong_token_and_a_foreign_server_are_told_apart(stub: StubServer) -> None:
    for url, token, code in [
        (stub.url, "wrong", "forbidden"),
        (stub.url + "elsewhere/", TOKEN, "server_unreachable"),
        ("http://127.0.0.1:9/", None, "server_unreachable"),
        ("ftp://x/", None, "invalid_request"),
    ]:
        with pytest.raises(OrkeeError) as caught:
            Sandbox.list(client=Client(url, token))
        assert caught.value.code == code


def test_a_repr_is_short_and_a_notebook_gets_text_at_least(stub: StubServer) -> None:
    sandbox = Sandbox.create("node", name="web")
    assert repr(sandbox) == "<Sandbox 000100010001 'web' node active>"
    assert "text/plain" in sandbox._repr_mimebundle_()
