"""``orkee sandbox wait`` and ``link``, and the ports of a create."""

from __future__ import annotations

from orkee_jupyter.sandbox.errors import OrkeeError
from tests.client.stub_server import StubServer

from .conftest import Orkee


def test_a_create_waits_and_names_the_hosts_port(orkee: Orkee, stub: StubServer) -> None:
    made = orkee(
        "sandbox", "create", "-p", "8080:3000", "--wait", "port:3000", "--wait-timeout", "9"
    )
    assert made.returncode == 0
    sent = [body for method, _, body in stub.requests if method == "POST"]
    assert (sent[0]["ports"], sent[1]["for"]) == (["8080:3000"], "port:3000")


def test_wait_prints_where_the_sandbox_is(orkee: Orkee, stub: StubServer) -> None:
    stub.add(name="web")
    assert orkee("sandbox", "wait", "web", "http:3000/").stdout == b"http://127.0.0.1:40000\n"
    assert b'"name": "web"' in orkee("sandbox", "wait", "web", "port:3000", "--json").stdout


def test_wait_in_vain_fails_with_the_last_lines(orkee: Orkee, stub: StubServer) -> None:
    stub.add(name="web")
    stub.fail_wait = OrkeeError("wait_timeout", "No.", "Wait.", details={"lines": ["it failed"]})
    late = orkee("sandbox", "wait", "web", "port:3000", "--timeout", "1")
    assert late.returncode == 1
    assert b"it failed" in late.stderr
    assert b"wait_timeout" in late.stderr


def test_link_prints_the_link(orkee: Orkee, stub: StubServer) -> None:
    sandbox = stub.add(name="web")
    printed = orkee("sandbox", "link", "web", "3000").stdout.decode().strip()
    assert printed == f"/orkee/proxy/{sandbox['id']}/3000/~secret/"
