"""The short way through everything, on whichever engine: create, exec, logs, port, files, stop."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.runner import RUNNER

from .processes import containers_of, until
from .servers import Server

SERVE = "echo ready; exec python3 -u -m http.server 8000 --bind 127.0.0.1"


def test_a_sandbox_from_create_to_stop(direct: Server, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "page.txt").write_text("from the host\n")
    command = ["sh", "-c", SERVE]
    with direct.client() as client:
        sandbox = client.create("python", ports=[8000], command=command, wait="port:8000")
        with sandbox:
            assert containers_of([sandbox.id])
            assert next(iter(sandbox.logs(follow=True))) == "ready"
            sandbox.push(folder)
            page = httpx.get(f"{sandbox.host_url}/page.txt", trust_env=False)
            assert page.text == "from the host\n"
            ended = sandbox.exec("tr a-z A-Z <page.txt >loud; cat loud; exit 3")
            assert (ended.stdout, ended.exit_code) == ("FROM THE HOST\n", 3)
            sandbox.pull("loud", tmp_path / "loud")
            assert (tmp_path / "loud").read_text() == "FROM THE HOST\n"
        assert sandbox.refresh().status == "terminated"
    until(lambda: not containers_of([sandbox.id]), 5)


def test_the_status_says_which_engine_is_used(direct: Server) -> None:
    with direct.client() as client:
        status = client.engine()
    shown = direct.cli("engine", "status").stdout.decode()
    if RUNNER is None:
        assert status["chosen"] == "native"
    else:
        assert (status["chosen"], status["runner_host"]) == ("configured", RUNNER)
        assert "In use: Docker" in shown
        assert RUNNER in shown
