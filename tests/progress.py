"""What a command says of its progress, which a slow machine shows and a quick one does not."""

from __future__ import annotations

import re


def quiet(errors: bytes) -> bytes:
    """Return what was said beside the steps of what took more than a second."""
    return re.sub(rb"(?m)^\[\d+ s\] .*\n", b"", errors)
