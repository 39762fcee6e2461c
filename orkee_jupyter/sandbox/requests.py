"""From JSON bodies and query parameters to the domain's requests.

Unknown keys are errors: a misspelt ``ttl`` must not silently mean the default.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .conditions import DEFAULT_WAIT, Condition, parse_condition
from .errors import OrkeeError
from .limits import decode_limits, parse_timeout
from .model import DEFAULT_TEMPLATE, CreateRequest, ExecRequest, ListQuery, LogQuery, Status
from .network import parse_links, parse_network
from .portspec import parse_ports
from .suggest import remedy_for
from .validate import (
    parse_ttl,
    show,
    validate_command,
    validate_directory,
    validate_env,
    validate_image,
    validate_labels,
    validate_line,
    validate_name,
    validate_on_expiry,
    validate_ports,
    validate_secrets,
    validate_timeout,
)

Check = Callable[[Any, str], Any]

MAX_LIMIT = 1000
#: What one query may give repeatedly.
_REPEATED = frozenset({"label", "status"})


def _invalid(cause: str, remedy: str, field: str | None = None) -> OrkeeError:
    return OrkeeError("invalid_request", cause, remedy, details={"field": field} if field else None)


def _decode(obj: object, checks: Mapping[str, Check]) -> dict[str, Any]:
    """Return the checked members of a JSON object; null is the same as not given."""
    if not isinstance(obj, Mapping):
        raise _invalid(f"The body is {show(obj)}, not an object.", "Send a JSON object.")
    for key in obj:
        if key not in checks:
            raise _invalid(f"The key {show(key)} is unknown.", remedy_for(str(key), checks), key)
    return {key: checks[key](value, key) for key, value in obj.items() if value is not None}


def _bytes(value: object, field: str) -> bytes:
    """Return the UTF-8 of any string: what goes to a command's stdin may hold NUL."""
    if not isinstance(value, str):
        raise _invalid(f"{field} is {show(value)}, not a string.", "Give a string.", field)
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise _invalid(f"{field} is not valid Unicode.", "Send stdin_base64.", field) from error


def _base64(value: object, field: str) -> bytes:
    try:
        return base64.b64decode(_bytes(value, field), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid(f"{field} is not base64.", "Encode it anew.", field) from error


def _boolean(value: object, field: str) -> bool:
    if not isinstance(value, bool):
        raise _invalid(f"{field} is {show(value)}, not a boolean.", "Give true or false.", field)
    return value


def _folder(value: object, field: str) -> str:
    return validate_line(value, field, longest=4096)


_CREATE: Mapping[str, Check] = {
    "template": validate_line,
    "name": validate_name,
    "image": validate_image,
    "project": validate_line,
    "ports": parse_ports,
    "env": validate_env,
    "secrets": validate_secrets,
    "network": parse_network,
    "links": parse_links,
    "labels": validate_labels,
    "ttl": parse_ttl,
    "on_expiry": validate_on_expiry,
    "command": validate_command,
    "working_directory": validate_directory,
    "limits": decode_limits,
    "timeout": parse_timeout,
    "start": _boolean,
    "project_folder": _folder,
    "wait": _boolean,
    "from": validate_name,
}
_WAIT: Mapping[str, Check] = {"for": parse_condition, "timeout": validate_timeout}
_EXEC: Mapping[str, Check] = {
    "command": validate_command,
    "env": validate_env,
    "cwd": validate_directory,
    "stdin": _bytes,
    "stdin_base64": _base64,
    "timeout": validate_timeout,
    "detach": _boolean,
}
_START: Mapping[str, Check] = {
    "command": validate_command,
    "env": validate_env,
    "cwd": validate_directory,
    "stdin": _boolean,
    "timeout": validate_timeout,
    "hold": _boolean,
}


def decode_create(obj: object) -> CreateRequest:
    """Return the request of a create's JSON body. Raises ``invalid_*``."""
    fields = _decode(obj, _CREATE)
    if "ports" in fields:
        fields["ports"], fields["host_ports"] = fields["ports"]
    snapshot = fields.pop("from", None)
    template = DEFAULT_TEMPLATE if snapshot is None else ""
    return CreateRequest(**{"template": template, **fields, "snapshot": snapshot})


def decode_exec(obj: object) -> tuple[ExecRequest, bytes | None]:
    """Return the request of an exec's JSON body and the bytes for its stdin, None for none."""
    fields = _decode(obj, _EXEC)
    if "command" not in fields:
        raise _invalid("There is no command.", 'Give "command": ["echo", "hi"].', "command")
    if "stdin" in fields and "stdin_base64" in fields:
        raise _invalid("Both stdin and stdin_base64 are given.", "Give one of them.", "stdin")
    plain, encoded = fields.pop("stdin", None), fields.pop("stdin_base64", None)
    stdin: bytes | None = plain if plain is not None else encoded
    if fields.get("detach") and (stdin is not None or fields.get("timeout")):
        raise _invalid(
            "A detached command has neither stdin nor a timeout.",
            "Leave them out, and signal the command when it is to end.",
            "detach",
        )
    return ExecRequest(stdin=stdin is not None, origin="rest", **fields), stdin


def decode_start(obj: object) -> ExecRequest:
    """Return the request of a command whose stdin comes apart. Raises ``invalid_*``."""
    fields = _decode(obj, _START)
    if "command" not in fields:
        raise _invalid("There is no command.", 'Give "command": ["echo", "hi"].', "command")
    return ExecRequest(origin="websocket", **fields)


def decode_port(text: str) -> int:
    """Return the port of a path. Raises ``invalid_port``."""
    (port,) = validate_ports([int(text) if re.fullmatch("[0-9]{1,5}", text) else text], "port")
    return port


def decode_wait(obj: object) -> tuple[Condition, float]:
    """Return what to wait for and for how many seconds. Raises ``invalid_*``."""
    fields = _decode(obj, _WAIT)
    if "for" not in fields:
        raise _invalid("There is nothing to wait for.", 'Give "for": "port:3000".', "for")
    condition = fields["for"]
    if condition.kind not in ("port", "http"):
        raise _invalid(
            f"{condition.kind} is nothing that the server can wait for.",
            "Follow the log, or run the command, until it is as wanted.",
            "for",
        )
    return condition, fields.get("timeout") or DEFAULT_WAIT


def decode_signal(obj: object) -> str:
    """Return the name of the signal in a JSON body, TERM without one. Raises ``invalid_*``."""
    return str(_decode(obj, {"signal": validate_line}).get("signal", "TERM"))


def decode_list(params: Mapping[str, Sequence[str]]) -> ListQuery:
    """Return the query of a list's parameters. Raises ``invalid_request``."""
    given = _single(params, {"status", "project", "name", "label", "limit", "cursor"})
    statuses = [word for text in params.get("status", ()) for word in text.split(",") if word]
    labels: dict[str, str] = {}
    for text in params.get("label", ()):
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise _invalid(f"The label {show(text)} is no pair.", "Give label=NAME=VALUE.", "label")
        labels[name] = value
    return ListQuery(
        statuses=frozenset(_status(word) for word in statuses) or None,
        project=validate_line(given["project"], "project") if "project" in given else None,
        name=validate_line(given["name"], "name") if "name" in given else None,
        labels=validate_labels(labels, "label"),
        limit=_whole(given.get("limit", "100"), "limit", 1, MAX_LIMIT),
        cursor=validate_line(given["cursor"], "cursor", longest=512) if "cursor" in given else None,
    )


def decode_logs(params: Mapping[str, Sequence[str]]) -> LogQuery:
    """Return the query of a log's parameters; ``format`` is the server's. Raises ``invalid_*``."""
    given = _single(params, {"follow", "tail", "after", "since", "format"})
    if given.get("format", "raw") not in ("raw", "ndjson"):
        raise _invalid(
            f"The format {show(given['format'])} is unknown.", "Give 'raw' or 'ndjson'.", "format"
        )
    return LogQuery(
        follow=_flag(given.get("follow", "0"), "follow"),
        tail=_whole(given["tail"], "tail", 0, 1 << 31) if "tail" in given else None,
        after=_whole(given.get("after", "0"), "after", 0, (1 << 63) - 1),
        since=_seconds(given["since"], "since") if "since" in given else None,
    )


def _single(params: Mapping[str, Sequence[str]], known: set[str]) -> dict[str, str]:
    """Return the parameters that have one value each, after a look at all the keys."""
    for key, values in params.items():
        if key not in known:
            raise _invalid(f"The parameter {show(key)} is unknown.", remedy_for(key, known), key)
        if len(values) > 1 and key not in _REPEATED:
            raise _invalid(f"The parameter {key} is given twice.", "Give it once.", key)
    return {key: values[0] for key, values in params.items() if values and values[0] != ""}


def _status(word: str) -> Status:
    try:
        return Status(word.strip().lower())
    except ValueError as error:
        known = [status.value for status in Status]
        raise _invalid(
            f"There is no status {show(word)}.", remedy_for(word, known), "status"
        ) from error


def _whole(text: str, field: str, least: int, most: int) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 19 and least <= int(text) <= most:
        return int(text)
    raise _invalid(
        f"{field} is {show(text)}.", f"Give a whole number from {least} to {most}.", field
    )


def _flag(text: str, field: str) -> bool:
    if text.lower() in ("1", "true", "yes"):
        return True
    if text.lower() in ("0", "false", "no"):
        return False
    raise _invalid(f"{field} is {show(text)}.", "Give 1 or 0.", field)


def _seconds(text: str, field: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds) or seconds < 0:
        raise _invalid(f"{field} is {show(text)}.", "Give seconds since 1970.", field)
    return seconds
