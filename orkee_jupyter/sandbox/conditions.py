"""What can be waited for: ``port:3000``, ``http:3000/health``, ``log:REGEX``, ``exec:COMMAND``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .errors import OrkeeError
from .validate import show, validate_line

KINDS: Final = ("port", "http", "log", "exec")
MAX_WAIT: Final = 3600.0  # seconds
DEFAULT_WAIT: Final = 60.0
_HTTP: Final = re.compile(r"(\d{1,5})(/[!-~]*)?")


@dataclass(frozen=True, slots=True)
class Condition:
    """Something to wait for. ``text`` is the path, the expression or the command."""

    kind: str
    port: int = 0
    text: str = ""

    def __str__(self) -> str:
        return {
            "port": f"port {self.port} to be listened on",
            "http": f"http port {self.port} to answer {self.text}",
            "log": f"a line of the log that matches {self.text!r}",
            "exec": f"the command {self.text!r} to succeed",
        }[self.kind]


def parse_condition(value: object, field: str = "for") -> Condition:
    """Return the condition that a text means. Raises ``invalid_request``, ``invalid_port``."""
    text = validate_line(value, field, longest=4096)
    kind, colon, rest = text.partition(":")
    if not colon or kind not in KINDS or not rest.strip():
        raise OrkeeError(
            "invalid_request",
            f"{show(text)} is nothing to wait for.",
            "Give port:3000, http:3000/health, log:REGEX or exec:COMMAND.",
            details={"field": field},
        )
    if kind == "exec":
        return Condition(kind, text=rest)
    if kind == "log":
        _check_expression(rest, field)
        return Condition(kind, text=rest)
    found = _HTTP.fullmatch(rest)
    if found is None or (kind == "port" and found[2]) or not 1 <= int(found[1]) <= 65535:
        raise OrkeeError(
            "invalid_port",
            f"{show(rest)} is no port to wait for.",
            "Give port:3000, or http:3000/health with the path.",
            details={"field": field},
        )
    return Condition(kind, int(found[1]), "" if kind == "port" else found[2] or "/")


def _check_expression(text: str, field: str) -> None:
    try:
        re.compile(text)
    except re.error as error:
        raise OrkeeError(
            "invalid_request",
            f"{show(text)} is no regular expression: {error}.",
            "Escape what is meant literally with a backslash.",
            details={"field": field},
        ) from error
