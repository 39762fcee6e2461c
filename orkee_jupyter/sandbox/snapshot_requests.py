"""From JSON bodies to what is asked of snapshots and forks."""

from __future__ import annotations

from .errors import OrkeeError
from .requests import _boolean, _decode
from .validate import validate_name


def decode_snapshot(obj: object) -> tuple[str, bool]:
    """Return a snapshot's name, and whether it may replace one. Raises ``invalid_request``."""
    fields = _decode(obj, {"name": validate_name, "replace": _boolean})
    if "name" not in fields:
        raise OrkeeError(
            "invalid_request",
            "There is no name.",
            'Give "name": "base".',
            details={"field": "name"},
        )
    return fields["name"], fields.get("replace", False)


def decode_fork(obj: object) -> str | None:
    """Return the name of the sandbox that a fork makes. Raises ``invalid_request``."""
    name: str | None = _decode(obj, {"name": validate_name}).get("name")
    return name
