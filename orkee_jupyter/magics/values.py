"""Values of options: ports, pairs, numbers of lines, points in time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from ..client import OrkeeError
from .arguments import invalid

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_AGE: Final = re.compile(r"(?:\d{1,9}[smhd]){1,4}", re.ASCII)


def port_at_host(text: str) -> int | str:
    """Return a port, or "8080:3000" as it is; whether they are ports, the server says."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else text


def pairs(flag: str, texts: Iterable[str]) -> dict[str, str]:
    """Return KEY=VALUE words as a dictionary. Raises OrkeeError ``invalid_request``."""
    result = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key:
            # The text itself may be a secret: it is not repeated.
            raise invalid(f"A value of `{flag}` has no KEY=.", f"Give it as `{flag} KEY=VALUE`.")
        result[key] = value
    return result


def lines(text: str) -> int:
    """Return a number of lines. Raises OrkeeError ``invalid_request``."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    raise invalid(f'"{text}" is not a number of lines.', "Give it as `--tail 20`.")


def since(text: str, now: float) -> float:
    """Return the unix time that an age ("10m", "1h30m") or a time of day or date means.

    Raises OrkeeError ``invalid_request``.
    """
    if _AGE.fullmatch(text):
        parts = re.findall(r"(\d+)([smhd])", text)
        return now - sum(int(number) * _UNITS[unit] for number, unit in parts)
    if re.fullmatch(r"\d{9,10}(\.\d+)?", text):
        return float(text)
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
            today = datetime.fromtimestamp(now).date().isoformat()
            text = f"{today}T{text:0>5}" if text.count(":") == 1 else f"{today}T{text:0>8}"
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise invalid(
            f'"{text}" is not a time.',
            "Give an age such as 10m, a time such as 14:30, or a date such as 2026-01-31T14:30.",
        ) from None


def seconds(flag: str, text: str | None) -> float | None:
    """Return a number of seconds, None for None. Raises OrkeeError ``invalid_request``."""
    if text is None:
        return None
    if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text, re.ASCII) and float(text) > 0:
        return float(text)
    raise invalid(f'"{text}" is not a number of seconds.', f"Give it as `{flag} 30`.")


def number(flag: str, text: str | None) -> float | None:
    """Return a number, None for None. Raises OrkeeError ``invalid_limit``."""
    if text is None:
        return None
    if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text, re.ASCII):
        return float(text)
    raise OrkeeError("invalid_limit", f'"{text}" is not a number.', f"Give it as `{flag} 1.5`.")


def whole(flag: str, text: str | None) -> int | None:
    """Return a whole number, None for None. Raises OrkeeError ``invalid_limit``."""
    if text is None:
        return None
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return int(text)
    raise OrkeeError(
        "invalid_limit", f'"{text}" is not a whole number.', f"Give it as `{flag} 100`."
    )
