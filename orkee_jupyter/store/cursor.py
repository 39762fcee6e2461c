"""The opaque cursor of a list: the place after the last row of a page."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Final

from ..sandbox.errors import OrkeeError

_BIGINT: Final = range(-(2**63), 2**63)


def encode(created_at: int, sequence: int) -> str:
    """Return the cursor of the rows that come after this one, newest first."""
    text = json.dumps([created_at, sequence], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str) -> tuple[int, int]:
    """Return ``(created_at, sequence)`` of the last row seen. Raises ``invalid_request``."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        created_at, sequence = json.loads(raw)
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise _invalid() from error
    if not all(type(number) is int and number in _BIGINT for number in (created_at, sequence)):
        raise _invalid()
    return created_at, sequence


def check_limit(limit: int) -> None:
    """Raise ``invalid_request`` for a page of less than one row."""
    if limit < 1:
        raise OrkeeError(
            "invalid_request",
            f"A page of {limit} sandboxes cannot be listed.",
            "Ask for a limit of 1 or more.",
        )


def _invalid() -> OrkeeError:
    return OrkeeError(
        "invalid_request",
        "The cursor is not one that a list returned.",
        "Start again without a cursor, and pass on 'next' unchanged.",
    )
