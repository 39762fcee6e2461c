"""A full disk: creates are refused, stops are recorded, and no row is lost."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from .processes import ROOT, command

# A mount of our own in namespaces of our own: no trace of it is left, and no root is needed.
UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]


def on_small_disk(folder: Path, *program: str) -> subprocess.CompletedProcess[str]:
    script = f"mount -t tmpfs -o size=8m none {shlex.quote(str(folder))} && {shlex.join(program)}"
    return subprocess.run(
        [*UNSHARE, "sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_a_full_disk_refuses_creates_and_records_stops(tmp_path: Path) -> None:
    if on_small_disk(tmp_path, "true").returncode:
        pytest.skip("this machine allows no mount in a user namespace")
    done = on_small_disk(tmp_path, *command("fill", tmp_path / "s.duckdb"))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told.pop("stop again") in ("ok", "disk_full")
    assert told.pop("rows") == told["later"]
    assert told.pop("later").endswith("terminated,terminated")
    stops = {f"stop {number}": "ok" for number in range(3)}
    assert told == {"insert": "disk_full", "insert later": "ok", **stops}
