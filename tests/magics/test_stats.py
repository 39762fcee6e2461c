"""Limits and ``%sandbox stats`` in a real IPython shell on a stub server."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from IPython.core.interactiveshell import InteractiveShell

from orkee_jupyter.client import Sandbox, Stats
from orkee_jupyter.magics import stats as module
from orkee_jupyter.magics.magics import SandboxMagics
from orkee_jupyter.magics.stats import StatsList, plot, sparkline
from tests.client.stub_server import StubServer
from tests.client.stub_stats import STATS

from .test_magics import fails, run


def test_a_create_has_limits(shell: InteractiveShell, stub: StubServer) -> None:
    run(shell, "create --memory 256m --cpus 1.5 --pids 100 --timeout 30m")
    (body,) = [body for method, _, body in stub.requests if method == "POST"]
    assert body["limits"] == {"memory": "256m", "cpus": 1.5, "pids": 100}
    assert body["timeout"] == "30m"


@pytest.mark.parametrize("line", ["create --cpus many", "create --pids 1.5"])
def test_a_limit_that_is_no_number_is_refused(shell: InteractiveShell, line: str) -> None:
    assert fails(shell, line).code == "invalid_limit"


def test_stats_in_a_terminal_are_a_table(shell: InteractiveShell, stub: StubServer) -> None:
    stub.add(name="web")
    for line in ("stats web", "stats"):
        shown = run(shell, line)
        assert isinstance(shown, StatsList)
        text = shown._repr_mimebundle_()["text/plain"]
        assert "web" in text
        assert "64 MiB" in text


def test_stats_in_a_notebook_are_drawn_in_one_place(
    shell: InteractiveShell, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.add(name="web", status="terminated", reason="stopped")
    published = []
    monkeypatch.setattr(SandboxMagics, "in_notebook", True)
    monkeypatch.setattr(SandboxMagics, "publish", lambda self, *a, **k: published.append((a, k)))
    assert run(shell, "stats web --for 5") is None
    assert [k["update"] for _, k in published] == [False, True, True]
    assert len({k["display_id"] for _, k in published}) == 1
    assert "<svg" in published[-1][0][0]["text/html"]


def test_drawing_ends_in_time(
    shell: InteractiveShell, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.add(name="web")
    published = []
    monkeypatch.setattr(SandboxMagics, "in_notebook", True)
    monkeypatch.setattr(SandboxMagics, "publish", lambda self, *a, **k: published.append(a))
    monkeypatch.setattr(module, "_DRAWN", 1e-9)
    run(shell, "stats web")
    assert len(published) == 1


def test_a_plot_is_svg_and_escapes_the_name(stub: StubServer) -> None:
    stub.add(name="web")
    sandbox = Sandbox.get("web")
    sandbox.data["name"] = "<script>"
    html = plot(sandbox, [Stats.from_json(STATS)])["text/html"]
    assert "<script>" not in html
    drawn = ElementTree.fromstring(sparkline([0.0, 50.0, 100.0], 100.0, 'a "label"'))
    points = drawn[1].attrib["points"].split()
    assert len(points) == 3
    assert float(points[0].split(",")[1]) > float(points[2].split(",")[1]), "more is higher"
