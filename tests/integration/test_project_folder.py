"""A workspace that begins as a copy of a folder of the server's, on the real engine."""

from __future__ import annotations

import os

import httpx
import pytest

from .servers import Server


@pytest.fixture
def project(server: Server) -> str:
    """Give a folder in the server's root, by its path from there."""
    folder = server.root / "app"
    (folder / "node_modules").mkdir(parents=True, exist_ok=True)
    (folder / "node_modules" / "x").write_text("left out")
    (folder / ".gitignore").write_text("node_modules/\n")
    (folder / "run.sh").write_text("#!/bin/sh\necho ran; wc -c < large; sleep 600\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "large").write_bytes(os.urandom(20_000_000))
    return "app"


def test_its_files_are_there_before_the_command_starts(server: Server, project: str) -> None:
    body = {"template": "debian", "project_folder": project, "command": ["./run.sh"]}
    with server.http() as http, server.client() as client:
        answer = http.post("sandbox", json=body)
        assert answer.status_code == 201, answer.text
        with client.get(answer.json()["sandbox"]["id"]) as sandbox:
            sandbox.wait_for("log:20000000")
            assert sandbox.exec("ls -A").stdout.split() == [".gitignore", "large", "run.sh"]
            sandbox.exec("rm large")
            sandbox.pause()
            sandbox.resume()
            assert not sandbox.files.exists("large"), "a resume copies nothing"


def test_a_folder_outside_the_root_is_refused(server: Server) -> None:
    with server.http() as http:
        for given in ("..", "/etc", "out"):
            if not (server.root / "out").is_symlink():
                (server.root / "out").symlink_to("/etc")
            answer: httpx.Response = http.post("sandbox", json={"project_folder": given})
            assert answer.json()["code"] == "invalid_project_folder"
