"""What there is to say about the engine where no server runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import choice
from .native import NativeEngine


async def engine_status(runner_host: str | None = None) -> Mapping[str, Any]:
    """Return which engine would be used and why the others would not, JSON-ready."""
    return await choice.report(runner_host, NativeEngine())
