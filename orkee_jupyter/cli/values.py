"""Values of options. Each raises OrkeeError with the code that REST would give."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Sequence
from datetime import datetime

from orkee_jupyter.sandbox.errors import OrkeeError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def ports(texts: Iterable[str]) -> list[int | str]:
    """Return port numbers, and "8080:3000" as it is; whether they are ports, the server says."""
    return [int(text) if re.fullmatch("[0-9]{1,9}", text) else text for text in texts]


def pairs(flag: str, texts: Iterable[str], *, inherit: bool = False) -> dict[str, str]:
    """Return KEY=VALUE words as a dictionary; with ``inherit`` a bare KEY takes our own value.

    Raises ``invalid_request``.
    """
    result = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if inherit and not sign and key in os.environ:
            value, sign = os.environ[key], "="
        if not sign or not key:
            # Without the text itself, which may be a secret.
            known = "has no KEY=" + (", nor is it a variable that is set" if inherit else "")
            raise OrkeeError(
                "invalid_request", f"A value of {flag} {known}.", f"Give it as `{flag} KEY=VALUE`."
            )
        result[key] = value
    return result


def since(text: str) -> float:
    """Return the unix time of an age (10m, 1h30m), a time of day, a date or unix seconds.

    Raises ``invalid_request``.
    """
    now = time.time()
    if re.fullmatch(r"([0-9]+[smhd])+", text):
        ages = re.findall(r"([0-9]+)([smhd])", text)
        return now - sum(int(number) * _UNITS[unit] for number, unit in ages)
    if re.fullmatch(r"[0-9]{9,10}(\.[0-9]+)?", text):
        return float(text)
    if re.fullmatch(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?", text):
        text = f"{datetime.fromtimestamp(now).date()}T{text}"
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise OrkeeError(
            "invalid_request",
            f"{text!r} is not a time.",
            "Give an age such as 10m, a time such as 14:30, or a date such as 2026-01-31T14:30.",
        ) from None


def command(words: Sequence[str]) -> list[str]:
    """Return a command's words. Raises ``invalid_request`` for bytes that are not UTF-8."""
    try:
        "".join(words).encode()
    except UnicodeEncodeError:
        raise OrkeeError(
            "invalid_request",
            "The command has bytes that are not UTF-8.",
            "Hand such data on by standard input.",
        ) from None
    return list(words)
