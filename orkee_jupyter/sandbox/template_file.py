"""A template's TOML file, checked strictly: an error names the file and the key."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from .errors import OrkeeError
from .limits import decode_limits, parse_timeout
from .model import DEFAULT_WORKING_DIRECTORY, Template
from .network import parse_links, parse_network
from .suggest import remedy_for
from .validate import (
    parse_ttl,
    show,
    validate_command,
    validate_directory,
    validate_env,
    validate_image,
    validate_labels,
    validate_on_expiry,
    validate_ports,
    validate_text,
)

LARGEST: Final = 256 * 1024  # bytes of a file
MAX_SETUP: Final = 100  # commands


def _setup(value: object, field: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_SETUP:
        raise OrkeeError(
            "invalid_template",
            f"{field} is {show(value)}, not a list of at most {MAX_SETUP} shell commands.",
            'Write setup = ["apk add git"].',
        )
    commands = tuple(validate_text(line, f"{field}[{at}]") for at, line in enumerate(value))
    for at, command in enumerate(commands):
        if not command.strip():
            raise OrkeeError(
                "invalid_template", f"{field}[{at}] is an empty command.", "Remove it."
            )
    return commands


def _command(value: object, field: str) -> tuple[str, ...]:
    """A list is run as it is, a string by ``sh -c``: what its author would type."""
    if isinstance(value, str) and value.strip():
        return validate_command(["sh", "-c", value], field)
    return validate_command(value, field)


def _description(value: object, field: str) -> str:
    return validate_text(value, field, longest=1000)


_KEYS: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    "image": validate_image,
    "description": _description,
    "setup": _setup,
    "env": validate_env,
    "ports": validate_ports,
    "command": _command,
    "working_directory": validate_directory,
    "ttl": parse_ttl,
    "on_expiry": validate_on_expiry,
    "network": parse_network,
    "links": parse_links,
    "labels": validate_labels,
    "limits": decode_limits,
    "timeout": parse_timeout,
}


def read_template(path: Path, name: str, default_ttl: int) -> Template:
    """Return the template that a file holds. Raises ``invalid_template``."""
    data = _load(path)
    for key in data:
        if key not in _KEYS:
            raise _invalid(path, f"the key {show(key)} is unknown.", remedy_for(key, _KEYS), key)
    if "image" not in data:
        raise _invalid(path, "the key 'image' is missing.", 'Add image = "debian:bookworm-slim".')
    fields: dict[str, Any] = {
        "working_directory": DEFAULT_WORKING_DIRECTORY,
        "ttl": default_ttl,
    }
    for key, value in data.items():
        try:
            fields[key] = _KEYS[key](value, key)
        except OrkeeError as error:
            raise _invalid(path, f"key {key!r}: {error.cause}", error.remedy, key) from error
    return Template(name=name, source=str(path), **fields)


def _load(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise _invalid(
            path, f"it cannot be read: {error.strerror}.", "Mend or remove it."
        ) from error
    if len(data) > LARGEST:
        raise _invalid(path, f"it is larger than {LARGEST} bytes.", "Make it smaller.")
    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _invalid(path, f"it is not TOML: {error}.", "Correct that place.") from error


def _invalid(path: Path, what: str, remedy: str, key: str | None = None) -> OrkeeError:
    return OrkeeError(
        "invalid_template",
        f"The template file {path}: {what}",
        remedy,
        details={"file": str(path), "key": key},
    )
