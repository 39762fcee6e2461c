"""Requests made up from the OpenAPI document: no 500, no hang, no answer it does not name.

``ORKEE_FUZZ`` is how many are made up for each operation and phase: 5, or as ``make fuzz``
says. Addresses of websockets and what would change the machine are left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.servers import TOKEN, Server

EXAMPLES = os.environ.get("ORKEE_FUZZ", "5")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
#: Live streams, the machine's engine, and tar archives, which it cannot make up.
NEVER = "/live|/engine/install|/cache/clean|/watch|/terminal|/archive"
#: What would end the one sandbox that is asked, or waits for what never comes.
DEADLY = r"/pause$|/signal$|/wait$|sandbox/\{ref\}$"
CONFIG = """
[parameters]
ref = "web"
"query.follow" = "0"
"""


def fuzz(server: Server, folder: Path, excluded: str, config: str) -> None:
    """Make requests, and fail with what schemathesis has found."""
    (folder / "schemathesis.toml").write_text(config)
    ran = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "run"),
            f"{server.url}orkee/api/openapi.json",
            *("--header", f"Authorization: token {TOKEN}"),
            *("--exclude-path-regex", excluded, "--checks", ",".join(CHECKS)),
            *("--max-examples", EXAMPLES, "--phases", "examples,coverage,fuzzing,stateful"),
            *("--request-timeout", "20", "--no-color", "--suppress-health-check", "all"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60 + 60 * int(EXAMPLES),
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-12_000:] + ran.stderr[-2_000:]
    assert "Tested:" in ran.stdout


@pytest.mark.timeout(0)
def test_made_up_requests_are_answered_as_documented(
    own_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = own_server("--OrkeeExtension.max_sandboxes=5")
    with server.client() as client:
        fuzz(server, tmp_path, NEVER, "")
        for row in server.rows(status="creating,active,paused"):
            client.get(row["id"]).stop()
        with client.create("debian", name="web") as sandbox:
            fuzz(server, tmp_path, f"{NEVER}|{DEADLY}", CONFIG)
            assert sandbox.exec(["echo", "still here"]).stdout == "still here\n"
        for kept in client.snapshots():  # other tests of this run look at the same shelf
            client.remove_snapshot(kept.name)
        assert "Traceback" not in server.log()
