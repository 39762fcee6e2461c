"""Notices beside a cell's own output."""

from __future__ import annotations

import sys

from ..client import Sandbox
from .terminal import one_line


def say(text: str) -> None:
    """Write a notice to stderr."""
    print(f"[orkee] {text}", file=sys.stderr, flush=True)


def called(sandbox: Sandbox) -> str:
    """Return how a sandbox is called in a sentence."""
    return f"sandbox {one_line(sandbox.name or sandbox.short_id)}"
