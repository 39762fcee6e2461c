"""The dashboard as a widget: ``from orkee_jupyter import Dashboard``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..client import OrkeeError

if TYPE_CHECKING:
    from .dashboard import Dashboard

__all__ = ["Dashboard"]

_BUILT = Path(__file__).parent / "static" / "dashboard.js"


def __getattr__(name: str) -> Any:
    if name != "Dashboard":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if not _BUILT.is_file():
        raise OrkeeError(
            "missing_package",
            "The part of the dashboard that runs in the browser was not built.",
            "Run `make setup` in the working copy, or install the released wheel.",
        )
    from .dashboard import Dashboard

    globals()[name] = Dashboard
    return Dashboard
