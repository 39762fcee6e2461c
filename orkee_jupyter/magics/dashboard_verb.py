"""``%sandbox dashboard``: the widget, for who would rather look than read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .arguments import Arguments


def dashboard(arguments: Arguments, names: Mapping[str, Any]) -> Any:
    """Return a new dashboard, which shows itself."""
    from ..widget import Dashboard

    return Dashboard()
