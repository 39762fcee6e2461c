"""What a sandbox may use at most: checked, merged with its template's, and said in words."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from .errors import OrkeeError
from .model import LIMIT_KINDS, Limits, show_bytes
from .suggest import remedy_for
from .validate import parse_ttl, show

MIN_MEMORY: Final = 16 * 1024**2  # bytes: less, and hardly a program starts
MAX_MEMORY: Final = 1 << 50
MIN_CPUS: Final = 0.05
MAX_CPUS: Final = 1024.0
MAX_PIDS: Final = 1_000_000
MAX_TIMEOUT: Final = 30 * 86400  # seconds

_MEMORY = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS: Final[Mapping[str, int]] = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def _refuse(field: str, cause: str, remedy: str) -> OrkeeError:
    return OrkeeError("invalid_limit", cause, remedy, details={"field": field})


def parse_memory(value: object, field: str = "memory") -> int:
    """Return bytes: from a number of bytes, "256m", "1.5g" or "512 MiB" (1m is 1024² bytes).

    Raises ``invalid_limit``.
    """
    size: float | None = None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        size = float(value) if math.isfinite(value) else None
    elif isinstance(value, str) and (found := _MEMORY.fullmatch(value.strip())):
        size = float(found[1]) * 1024 ** _UNITS[found[2].lower()]
    if size is None or not MIN_MEMORY <= size <= MAX_MEMORY:
        raise _refuse(
            field,
            f"The memory limit {show(value)} cannot be kept.",
            f"Give bytes or something like '256m' or '1.5g', from {show_bytes(MIN_MEMORY)} on.",
        )
    return int(size)


def parse_cpus(value: object, field: str = "cpus") -> float:
    """Return how many processors' time may be used, such as 1.5. Raises ``invalid_limit``."""
    number: float | None = None
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except ValueError:
            number = None
    if number is None or not MIN_CPUS <= number <= MAX_CPUS:
        raise _refuse(
            field,
            f"The limit of {show(value)} processors cannot be kept.",
            f"Give a number from {MIN_CPUS} to {MAX_CPUS:g}, such as 1.5.",
        )
    return number


def parse_pids(value: object, field: str = "pids") -> int:
    """Return how many processes and threads there may be. Raises ``invalid_limit``."""
    if isinstance(value, str) and re.fullmatch("[0-9]{1,7}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_PIDS:
        raise _refuse(
            field,
            f"The limit of {show(value)} processes cannot be kept.",
            f"Give a whole number from 1 to {MAX_PIDS}.",
        )
    return value


def parse_timeout(value: object, field: str = "timeout") -> int:
    """Return seconds that a sandbox may live in all, as ``parse_ttl``. Raises ``invalid_limit``."""
    try:
        seconds = parse_ttl(value, field)
    except OrkeeError:
        seconds = 0
    if not 1 <= seconds <= MAX_TIMEOUT:
        raise _refuse(
            field,
            f"The timeout {show(value)} is no duration within the limits.",
            f"Give 1 to {MAX_TIMEOUT} seconds, or something like '30m' or '2h'.",
        )
    return seconds


_PARSERS = {"memory": parse_memory, "cpus": parse_cpus, "pids": parse_pids}


def decode_limits(value: object, field: str = "limits") -> Limits:
    """Return the limits of a JSON or TOML object. Raises ``invalid_limit``."""
    if not isinstance(value, Mapping):
        raise _refuse(field, f"{field} is {show(value)}, not an object.", 'Give {"memory": "1g"}.')
    for key in value:
        if key not in _PARSERS:
            raise _refuse(
                f"{field}.{key}",
                f"There is no limit {show(key)}.",
                remedy_for(str(key), _PARSERS),
            )
    given: dict[str, Any] = {
        key: parse(value[key], f"{field}.{key}")
        for key, parse in _PARSERS.items()
        if value.get(key) is not None
    }
    return Limits(**given)


def merged(asked: Limits | None, template: Limits) -> Limits:
    """Return what was asked for, and the template's where nothing was."""
    if asked is None:
        return template
    return Limits(
        *(
            getattr(template, kind) if getattr(asked, kind) is None else getattr(asked, kind)
            for kind in LIMIT_KINDS
        )
    )


def without(limits: Limits, kinds: frozenset[str]) -> Limits:
    """Return the limits of other kinds than these."""
    return replace(limits, **dict.fromkeys(kinds, None))


def broken(kind: str, limits: Limits) -> str:
    """Return the reason of a sandbox that broke a limit: ``memory limit 256 MiB``."""
    if kind == "memory" and limits.memory is not None:
        return f"memory limit {show_bytes(limits.memory)}"
    if kind == "pids" and limits.pids is not None:
        return f"process limit {limits.pids}"
    return f"{kind} limit"


def timed_out(seconds: int) -> str:
    """Return the reason of a sandbox whose life was over: ``timeout 30 min``."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"timeout {seconds // size} {unit}"
    return f"timeout {seconds} s"
