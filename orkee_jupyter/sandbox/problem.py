"""Why a sandbox failed, as it is kept with its row: without what its environment hides."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from .errors import OrkeeError
from .model import Problem

#: Lines that are kept, and characters of each.
LINES: Final = 20
LINE: Final = 500
#: Values of the environment that are hidden: such long ones, and shorter ones of these names.
_LONG: Final = 8
_SHORT: Final = 3
_SECRET = re.compile(r"key|token|secret|passw|pwd|credential|auth|cookie|private", re.IGNORECASE)


def problem_of(
    error: OrkeeError,
    env: Mapping[str, str],
    lines: Sequence[str] | None = None,
    secrets: Mapping[str, str] | None = None,
) -> Problem:
    """Return what to keep of the error that a sandbox failed with.

    ``lines`` are the last of its log; the error's own, of a setup command, go before them.
    """
    own = error.details.get("lines")
    said = own if isinstance(own, list) and own else lines or ()
    return Problem(
        error.code,
        hide(error.cause, env, secrets),
        hide(error.remedy, env, secrets),
        tuple(hide(str(line), env, secrets)[:LINE] for line in said)[-LINES:],
    )


def hide(text: str, env: Mapping[str, str], secrets: Mapping[str, str] | None = None) -> str:
    """Return a text in which values of the environment are replaced by their names.

    Names are public, values may be secrets. Short ones of harmless names stay: to hide each
    "1" or "node" would make the text useless. ``secrets`` are hidden if not very short.
    """
    secrets = secrets or {}
    for name, value in sorted({**env, **secrets}.items(), key=lambda each: -len(each[1])):
        # A value of several lines is shown a line at a time.
        for part in (value, *value.splitlines()):
            if len(part) >= (_SHORT if name in secrets or _SECRET.search(name) else _LONG):
                text = text.replace(part, f"[{name}]")
    return text
