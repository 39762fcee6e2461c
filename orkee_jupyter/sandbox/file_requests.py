"""From query parameters and JSON bodies to operations on files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from .errors import OrkeeError
from .files import FileRequest, validate_path
from .requests import _boolean, _decode, _flag, _single, _whole
from .validate import show

Params = Mapping[str, Sequence[str]]

_FLAGS: Final = frozenset({"list", "recursive", "parents", "follow", "exclusive", "overwrite"})
_MODE = re.compile(r"0?[0-7]{3,4}")
_MOST_BYTES: Final = (1 << 63) - 1

#: The parameters of each operation that is asked for in a query.
_TAKEN: Final[Mapping[str, frozenset[str]]] = {
    "list": frozenset({"list", "recursive", "follow"}),
    "read": frozenset({"offset", "length"}),
    "write": frozenset({"mode", "parents", "exclusive"}),
    "remove": frozenset({"recursive"}),
    "pull": frozenset(),
    "push": frozenset(),
    "watch": frozenset({"recursive"}),
}


def decode_query(op: str, params: Params) -> FileRequest:
    """Return the operation of a query. Raises ``invalid_request``, ``invalid_path``.

    ``list=0`` makes ``stat`` of ``list``.
    """
    given = _single(params, {"path", *_TAKEN[op]})
    fields: dict[str, Any] = {"path": validate_path(given.get("path", "."))}
    for key, value in given.items():
        if key in _FLAGS:
            fields[key] = _flag(value, key)
        elif key in ("offset", "length"):
            fields[key] = _whole(value, key, 0, _MOST_BYTES)
        elif key == "mode":
            fields[key] = _mode(value, key)
    if not fields.pop("list", True):
        op = "stat"
    return FileRequest(op=op, **fields)


def decode_change(body: object) -> FileRequest:
    """Return the operation of a JSON body: mkdir or rename. Raises ``invalid_*``."""
    fields = _decode(body, _CHANGE)
    op = fields.get("op")
    if op not in ("mkdir", "rename"):
        raise _invalid("op", f"op is {show(op)}.", 'Give "mkdir" or "rename".')
    if "path" not in fields:
        raise _invalid("path", "There is no path.", 'Give "path": "folder/name".')
    if (op == "rename") != ("to" in fields):
        raise _invalid("to", "Only a rename has a new name.", 'Give "to" with "rename".')
    return FileRequest(**fields)


def _mode(value: object, field: str) -> int:
    text = f"{value:o}".zfill(3) if isinstance(value, int) else value
    if isinstance(value, bool) or not isinstance(text, str) or not _MODE.fullmatch(text):
        raise _invalid(field, f"{field} is {show(value)}.", "Give permissions such as 0644.")
    return int(text, 8) & 0o777


def _word(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise _invalid(field, f"{field} is {show(value)}, not a string.", "Give a string.")
    return value


_CHANGE: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    "op": _word,
    "path": validate_path,
    "to": validate_path,
    "mode": _mode,
    "parents": _boolean,
    "overwrite": _boolean,
}


def _invalid(field: str, cause: str, remedy: str) -> OrkeeError:
    return OrkeeError("invalid_request", cause, remedy, details={"field": field})
