"""Starting the programs of :mod:`tests.store.child`, and ending them for certain."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


def command(*arguments: object) -> list[str]:
    """Return the command line of a program."""
    return [sys.executable, "-m", "tests.store.child", *map(str, arguments)]


@contextmanager
def child(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run a program while the block lasts."""
    with subprocess.Popen(
        command(*arguments), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()
