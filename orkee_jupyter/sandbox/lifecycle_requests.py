"""From JSON bodies and query parameters to what the verbs of a sandbox's life take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from .errors import OrkeeError
from .suggest import remedy_for
from .validate import parse_ttl, show, validate_secrets

#: Seconds that a stop may be put off.
MAX_AFTER: Final = 60.0


def decode_after(params: Mapping[str, Sequence[str]]) -> float | None:
    """Return the seconds after which to stop, None for at once. Raises ``invalid_request``."""
    for name in params:
        if name != "after":
            raise _invalid(f"The parameter {show(name)} is unknown.", remedy_for(name, ("after",)))
    given = params.get("after")
    if not given:
        return None
    try:
        seconds = float(given[-1])
    except ValueError:
        seconds = math.nan
    if len(given) > 1 or not 0 < seconds <= MAX_AFTER:
        raise _invalid(
            f"after is {show(given[-1])}.", f"Give seconds above 0, at most {MAX_AFTER:g}.", "after"
        )
    return seconds


def decode_extend(obj: Mapping[str, object]) -> int:
    """Return the seconds that a sandbox is to live from now. Raises ``invalid_*``."""
    for key in obj:
        if key != "ttl":
            raise _invalid(f"The key {show(key)} is unknown.", remedy_for(key, ("ttl",)), key)
    if obj.get("ttl") is None:
        raise _invalid("There is no ttl.", 'Give "ttl": "2h".', "ttl")
    return parse_ttl(obj["ttl"])


def decode_resume(obj: Mapping[str, object]) -> tuple[bool, dict[str, str]]:
    """Return whether to wait until the sandbox is active, and values of its secrets.

    Raises ``invalid_request``.
    """
    known = ("wait", "secrets")
    for key in obj:
        if key not in known:
            raise _invalid(f"The key {show(key)} is unknown.", remedy_for(key, known), key)
    wait, secrets = obj.get("wait"), obj.get("secrets")
    if wait is not None and not isinstance(wait, bool):
        raise _invalid(f"wait is {show(wait)}, not a boolean.", "Give true or false.", "wait")
    return wait is not False, {} if secrets is None else validate_secrets(secrets)


def decode_pause(obj: Mapping[str, object]) -> bool:
    """Return whether to freeze rather than to end the container. Raises ``invalid_request``."""
    for key in obj:
        if key != "freeze":
            raise _invalid(f"The key {show(key)} is unknown.", remedy_for(key, ("freeze",)), key)
    freeze = obj.get("freeze")
    if freeze is not None and not isinstance(freeze, bool):
        raise _invalid(f"freeze is {show(freeze)}, not a boolean.", "Give true or false.", "freeze")
    return freeze is True


def decode_nothing(obj: Mapping[str, object]) -> None:
    """See that a body is empty. Raises ``invalid_request``."""
    for key in obj:
        raise _invalid(f"The key {show(key)} is unknown.", "Send no body, or an empty object.", key)


def _invalid(cause: str, remedy: str, field: str | None = None) -> OrkeeError:
    return OrkeeError("invalid_request", cause, remedy, details={"field": field} if field else None)
