"""Templates, the engine, progress lines, and what start-up costs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from orkee_jupyter.cli import engine, values
from orkee_jupyter.cli.progress import Progress
from orkee_jupyter.sandbox.errors import OrkeeError
from tests.client.stub_server import StubServer
from tests.progress import quiet

from .conftest import Orkee


def test_templates_are_listed(orkee: Orkee, stub: StubServer) -> None:
    assert b"node:18-alpine" in orkee("templates").stdout
    answer = json.loads(orkee("templates", "--json").stdout)
    assert answer["templates"][0]["name"] == "node"


def test_engine_status_is_the_running_servers(orkee: Orkee, stub: StubServer) -> None:
    shown = orkee("engine", "status").stdout.decode()
    assert shown.splitlines()[0] == "In use: native (Dagger 0.19.10)"
    assert "docker" in shown
    assert "docker is not installed" in shown
    answer = json.loads(orkee("engine", "status", "--json").stdout)
    assert answer["engine"]["chosen"] == "native"


@pytest.mark.parametrize(
    ("chosen", "address", "name"),
    [
        ("configured", "docker-container://x", "Docker, as configured"),
        ("configured", "podman-container://x", "Podman, as configured"),
        ("configured", "tcp://127.0.0.1:1", "configured"),
        ("docker", None, "Docker"),
        ("native", "unix:///x", "native"),
    ],
)
def test_engine_status_says_what_an_address_is_of(
    chosen: str, address: str | None, name: str
) -> None:
    assert engine._named({"chosen": chosen, "runner_host": address}) == name


def test_what_is_quick_shows_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("thinking", delay=60) as progress:
        progress("still")
    assert capsys.readouterr() == ("", "")


def test_what_takes_long_says_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("thinking", delay=0) as progress:
        assert progress._shown.wait(10)
        progress("pulling \x1b[31mnode")
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["[0 s] thinking", "[0 s] pulling �[31mnode"]


@pytest.mark.parametrize(("text", "age"), [("10m", 600), ("1h30m", 5400), ("2d", 172800)])
def test_an_age_is_a_time(text: str, age: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.0)
    assert values.since(text) == 1_700_000_000 - age


def test_dates_and_times_of_day_are_times() -> None:
    assert values.since("2026-01-31T14:30+00:00") == 1769869800
    assert values.since("1700000000.5") == 1700000000.5
    assert values.since("14:30") % 60 == 0
    with pytest.raises(OrkeeError):
        values.since("-1")


def test_a_command_that_is_not_text_is_refused() -> None:
    with pytest.raises(OrkeeError):
        values.command(["\udcff"])


def test_version_and_help_need_no_server(orkee: Orkee) -> None:
    assert orkee("--help").returncode == 0
    assert orkee("--version").returncode == 0
    assert orkee("sandbox", "create", "--help").returncode == 0


def test_start_up_imports_nothing_that_it_does_not_need(stub: StubServer) -> None:
    code = (
        "import sys\nfrom orkee_jupyter.cli.main import main\n"
        "try: main(['sandbox', 'create', '--json'])\n"
        "except SystemExit: pass\n"
        "print({'asyncio.events', 'rich',"
        " 'pygments', 'dagger', 'duckdb', 'jupyter_server', 'tornado', 'IPython'}"
        " & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert quiet(done.stderr) == b"set()\n"
