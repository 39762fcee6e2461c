"""The stub server of the client's tests, and ``orkee`` as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.client.conftest import machine, stub
from tests.progress import quiet

__all__ = ["machine", "stub"]

Orkee = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def orkee() -> Orkee:
    """Return a function that runs ``orkee`` with words, and with piped input if that is given."""

    def run(*words: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        given: dict[str, Any] = {"input": stdin}
        done = subprocess.run(
            [sys.executable, "-m", "orkee_jupyter.cli", *words],
            capture_output=True,
            timeout=60,
            env={**os.environ, "COLUMNS": "200"},
            **({"stdin": subprocess.DEVNULL} if stdin is None else given),
        )
        done.stderr = quiet(done.stderr)
        return done

    return run
