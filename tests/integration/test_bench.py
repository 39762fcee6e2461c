"""That ``make bench`` works: little of everything, without Docker. No time is judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from .world import ROOT

#: What a run without Docker has to find, and of which subjects.
BOTH = {"orkee direct", "orkee forwarded"}
FOUND = {
    "create": BOTH | {"dagger sdk"},
    "first_byte": {"dagger sdk"},
    "exec": BOTH,
    "rest_tcp": BOTH,
    "popen": BOTH,
    "with_exec": {"dagger sdk"},
    "log_delay": BOTH,
    "log_rate": BOTH,
    "link": {"dagger sdk"},
    "push": BOTH,
    "pull": BOTH,
    "many_memory": BOTH,
    "list": {"orkee direct"},
}


@pytest.mark.timeout(420)
def test_the_benchmark_measures_everything_and_leaves_nothing(tmp_path: Path) -> None:
    short = Path(tempfile.mkdtemp(prefix="ob-"))  # sockets go below it
    written = tmp_path / "bench.json"
    command = [sys.executable, "-m", "bench", "--quick", "--no-docker", "--json", str(written)]
    env = os.environ | {"TMPDIR": str(short)}
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(written.read_text())["figures"]
    found = {name: set(figure["subjects"]) for name, figure in figures.items()}
    assert {name: found.get(name, set()) & wanted for name, wanted in FOUND.items()} == FOUND
    assert "| target" in done.stdout
    short.rmdir()  # fails unless it is empty
