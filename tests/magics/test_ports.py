"""Ports, links and waiting as a cell and a terminal show them."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell

from orkee_jupyter.magics.cards import sandbox_card
from orkee_jupyter.magics.errors import SandboxError
from orkee_jupyter.sandbox.errors import OrkeeError
from tests.client.stub_server import StubServer

from .test_cards import record

HERE = {"port": 3000, "host_port": 4000, "url": "http://127.0.0.1:4000", "listening": True}
LATER = {"port": 5000, "host_port": 4100, "url": "http://127.0.0.1:4100", "listening": False}


def test_a_card_links_each_port_and_says_where_nothing_listens_yet() -> None:
    card = sandbox_card(record(port_map=[HERE, LATER]))
    assert '<a href="http://127.0.0.1:4000" target="_blank" rel="noopener' in card["text/html"]
    assert "port 5000 http://127.0.0.1:4100 (nothing listens yet)" in card["text/plain"]


def test_a_card_of_many_ports_stays_short() -> None:
    card = sandbox_card(record(port_map=[HERE | {"port": port} for port in range(1, 41)]))
    assert card["text/html"].count("<a ") == 10
    assert "30 more" in card["text/plain"]


@pytest.mark.parametrize("inside", [True, False])
def test_the_way_through_the_server_is_shown_in_its_own_notebooks(
    monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    if inside:
        monkeypatch.setenv("JPY_PARENT_PID", "1")
    card = sandbox_card(record(port_map=[HERE | {"proxy": "/a%40b/orkee/proxy/ab/3000/"}]))
    assert ('<a href="/a%40b/orkee/proxy/ab/3000/"' in card["text/html"]) == inside


@pytest.mark.parametrize("proxy", ["//evil.example/", "javascript:alert(1)", '/"><script>/'])
def test_a_way_that_leads_elsewhere_is_no_link(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    html = sandbox_card(record(port_map=[HERE | {"url": "javascript:x", "proxy": proxy}]))
    assert "<a " not in html["text/html"]
    assert "<script" not in html["text/html"]


def test_a_create_waits_and_names_the_hosts_port(shell: InteractiveShell, stub: StubServer) -> None:
    shell.run_line_magic(
        "sandbox", "create node -p 8080:3000 --wait port:3000 --wait exec:true --wait-timeout 9"
    )
    sent = [body for method, _, body in stub.requests if method == "POST"]
    assert sent[0]["ports"] == ["8080:3000"]
    assert sent[1]["for"] == "port:3000"
    assert sent[2]["command"] == ["sh", "-c", "true"]


def test_waiting_in_vain_fails_the_cell_with_the_last_lines(
    shell: InteractiveShell, stub: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.add(name="web")
    stub.fail_wait = OrkeeError("wait_timeout", "No.", "Wait.", details={"lines": ["it failed"]})
    with pytest.raises(SandboxError) as caught:
        shell.run_line_magic("sandbox", "wait web port:3000 --timeout 1")
    assert caught.value.code == "wait_timeout"
    assert "it failed" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("text", "sent"), [("3000", 3000), ("0:3000", "0:3000"), ("a:b", "a:b"), ("9" * 5000, None)]
)
def test_whether_it_is_a_port_the_server_says(
    shell: InteractiveShell, stub: StubServer, text: str, sent: int | str | None
) -> None:
    shell.run_line_magic("sandbox", f"create node -p {text}")
    bodies = [body for method, _, body in stub.requests if method == "POST"]
    assert bodies[0]["ports"] == [sent or text]
