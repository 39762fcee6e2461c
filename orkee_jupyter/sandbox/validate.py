"""Checks of what users give: each returns the checked value or raises an OrkeeError.

They serve REST bodies and template files alike, so a ``field`` names what was wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from .errors import OrkeeError

MAX_PORTS: Final = 50
MAX_LABELS: Final = 50
MAX_COMMAND_BYTES: Final = 128 * 1024
MAX_ENV_BYTES: Final = 64 * 1024
MAX_TIMEOUT: Final = 7 * 86400  # seconds
MIN_TTL: Final = 1  # seconds

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
ID = re.compile(r"[0-9a-f]{32}")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,511}")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}")
_TTL = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")


def _refuse(field: str, cause: str, remedy: str, code: str = "invalid_request") -> OrkeeError:
    return OrkeeError(code, cause, remedy, details={"field": field})


def show(value: object) -> str:
    """Return a short form of a user's value for a sentence."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def validate_on_expiry(value: object, field: str = "on_expiry") -> str:
    """Return ``"stop"`` or ``"pause"``."""
    if value not in ("stop", "pause"):
        raise _refuse(
            field, f"{field} is {show(value)}, which is no such verb.", "Give 'stop' or 'pause'."
        )
    return str(value)


def validate_text(value: object, field: str, *, longest: int = 1 << 20) -> str:
    """Return a string without NUL that UTF-8 can carry."""
    if not isinstance(value, str):
        raise _refuse(field, f"{field} is {show(value)}, not a string.", "Give a string.")
    if "\0" in value:
        raise _refuse(field, f"{field} holds a NUL character.", "Remove it.")
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise _refuse(field, f"{field} is not valid Unicode.", "Send UTF-8 text.") from error
    if size > longest:
        raise _refuse(field, f"{field} takes {size} bytes.", f"Keep it to {longest} bytes.")
    return value


def validate_line(value: object, field: str, *, longest: int = 255) -> str:
    """Return a non-empty string of printable characters on one line."""
    text = validate_text(value, field, longest=longest)
    if not text.strip() or not text.isprintable():
        raise _refuse(
            field, f"{field} is {show(value)}.", "Give a line of text without control characters."
        )
    return text


def validate_name(value: object, field: str = "name") -> str:
    """Return a sandbox's name, which may be used wherever an id may."""
    name = validate_text(value, field)
    if ID.fullmatch(name):
        raise _refuse(field, f"The {field} {name!r} looks like an id.", "Choose another.")
    if not NAME.fullmatch(name):
        raise _refuse(
            field,
            f"The {field} {show(value)} is not allowed.",
            "Use up to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit.",
        )
    return name


def validate_image(value: object, field: str = "image") -> str:
    """Return an image reference such as ``node:18-alpine``."""
    image = validate_text(value, field)
    if not _IMAGE.fullmatch(image):
        raise _refuse(
            field, f"The {field} {show(value)} is no image reference.", "Try 'node:18-alpine'."
        )
    return image


def validate_ports(value: object, field: str = "ports") -> tuple[int, ...]:
    """Return ports in the order given. Raises ``invalid_port``."""
    if not isinstance(value, (list, tuple)):
        raise _refuse(
            field, f"{field} is {show(value)}, not a list.", "Give [3000].", "invalid_port"
        )
    if len(value) > MAX_PORTS:
        raise _refuse(
            field,
            f"{len(value)} ports are too many.",
            f"Give at most {MAX_PORTS}.",
            "invalid_port",
        )
    for port in value:
        if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
            raise _refuse(
                field,
                f"{show(port)} is no port.",
                "Give whole numbers from 1 to 65535.",
                "invalid_port",
            )
    double = next((port for port in value if value.count(port) > 1), None)
    if double is not None:
        raise _refuse(
            field, f"Port {double} is given twice.", "Give each port once.", "invalid_port"
        )
    return tuple(value)


def validate_env(value: object, field: str = "env") -> dict[str, str]:
    """Return environment variables. An error names the variable and never shows its value."""
    pairs = _mapping(value, field)
    size = 0
    for name, text in pairs.items():
        validate_text(name, f"a name in {field}")
        if not name or "=" in name:
            raise _refuse(
                field,
                f"{show(name.partition('=')[0])} is no name of a variable.",
                "Use letters, digits and '_'.",
            )
        if not isinstance(text, str):
            raise _refuse(
                field,
                f"The variable {name} in {field} is not a string.",
                "Put its value in quotes.",
            )
        validate_text(text, f"{field}.{name}")
        size += len(name.encode()) + len(text.encode()) + 2
    if size > MAX_ENV_BYTES:
        raise _refuse(field, f"{field} takes {size} bytes.", f"Keep it to {MAX_ENV_BYTES} bytes.")
    return pairs


def validate_secrets(value: object, field: str = "secrets") -> dict[str, str]:
    """Return secret variables, each with a value."""
    pairs = validate_env(value, field)
    for name, text in pairs.items():
        if not text:
            raise _refuse(field, f"The secret {name} is empty.", "Give its value, or leave it out.")
    return pairs


def validate_labels(value: object, field: str = "labels") -> dict[str, str]:
    """Return labels: names of up to 63 characters, values of up to 255 bytes."""
    pairs = _mapping(value, field)
    if len(pairs) > MAX_LABELS:
        raise _refuse(field, f"{len(pairs)} labels are too many.", f"Give at most {MAX_LABELS}.")
    for name, text in pairs.items():
        if not _LABEL.fullmatch(name):
            raise _refuse(
                field,
                f"{show(name)} is no name of a label.",
                "Use up to 63 letters, digits, '.', '_', '/' and '-'.",
            )
        if validate_text(text, f"{field}.{name}", longest=255) and not text.isprintable():
            raise _refuse(field, f"The label {name} holds control characters.", "Remove them.")
    return pairs


def _mapping(value: object, field: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        # The value is not shown: it may hold a secret.
        raise _refuse(field, f"{field} is no object with strings.", 'Give {"NAME": "value"}.')
    return dict(value)


def validate_command(value: object, field: str = "command") -> tuple[str, ...]:
    """Return a command: a non-empty list of strings, the first not empty."""
    if not isinstance(value, (list, tuple)) or not value:
        raise _refuse(
            field,
            f"{field} is {show(value)}, not a list of strings.",
            'Give ["sh", "-c", "echo hi"].',
        )
    words = tuple(validate_text(word, f"{field}[{at}]") for at, word in enumerate(value))
    if not words[0]:
        raise _refuse(field, f"{field} begins with an empty string.", "Name a program first.")
    size = sum(len(word.encode()) + 1 for word in words)
    if size > MAX_COMMAND_BYTES:
        raise _refuse(
            field,
            f"{field} takes {size} bytes.",
            f"Keep it to {MAX_COMMAND_BYTES} bytes and send the rest on stdin.",
        )
    return words


def validate_directory(value: object, field: str = "working_directory") -> str:
    """Return an absolute path inside the container, with '.', '..' and '//' taken out."""
    path = validate_line(value, field, longest=1024)
    if not path.startswith("/"):
        raise _refuse(field, f"{field} {show(path)} is not absolute.", "Begin it with '/'.")
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def validate_timeout(value: object, field: str = "timeout") -> float:
    """Return a timeout in seconds, 0 for none."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not 0 <= value <= MAX_TIMEOUT
    ):
        raise _refuse(
            field,
            f"{field} is {show(value)}.",
            f"Give seconds from 0 (none) to {MAX_TIMEOUT}.",
        )
    return float(value)


def parse_ttl(value: object, field: str = "ttl") -> int:
    """Return a lifetime in whole seconds: from a number, "90", "30m", "2h", "1d" or "1h30m".

    Raises ``invalid_ttl``.
    """
    seconds: float | None = None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = math.ceil(value) if math.isfinite(value) else None
    elif isinstance(value, str):
        text = value.strip().lower()
        found = _TTL.fullmatch(text)
        if re.fullmatch(r"[0-9]{1,12}", text):
            seconds = int(text)
        elif text and found:
            days, hours, minutes, rest = (int(part or 0) for part in found.groups())
            seconds = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    if seconds is None or seconds < MIN_TTL:
        raise _refuse(
            field,
            f"The lifetime {show(value)} is no duration.",
            "Give seconds, or something like '30m', '2h', '1d' or '1h30m'.",
            "invalid_ttl",
        )
    return int(seconds)


def validate_ttl(seconds: int, max_ttl: int) -> int:
    """Return a lifetime that is within the server's limit. Raises ``invalid_ttl``."""
    if not MIN_TTL <= seconds <= max_ttl:
        raise _refuse(
            "ttl",
            f"A lifetime of {seconds} s is outside the limits.",
            f"Give {MIN_TTL} to {max_ttl} seconds.",
            "invalid_ttl",
        )
    return seconds
