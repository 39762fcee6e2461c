"""What a page says to the kernel, checked: only calls below the server's interface pass."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from ..client import OrkeeError

METHODS: Final = ("GET", "POST", "PUT", "DELETE")
#: Bytes of a piece of a file, as the page sends it.
PIECE_LIMIT: Final = 1 << 20
_PATH_LIMIT: Final = 8192
_READ_LIMIT: Final = 1 << 30  # bytes
_LIVE_LIMIT: Final = 64 * 1024  # characters; what a page says on the live connection is short
_ID_LIMIT: Final = 1 << 53
_VIEW: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SEGMENT: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+")
_QUERY: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")


@dataclass(frozen=True)
class Message:
    """Something that a view of a page says; ``id`` is the view's number for it."""

    view: str
    id: int = 0


@dataclass(frozen=True)
class Alive(Message):
    """The view is still there."""


@dataclass(frozen=True)
class Gone(Message):
    """The view was taken away."""


@dataclass(frozen=True)
class Request(Message):
    method: str = "GET"
    path: str = ""
    body: Any = None


@dataclass(frozen=True)
class Read(Message):
    path: str = ""
    limit: int = 0  # bytes


@dataclass(frozen=True)
class Write(Message):
    """A piece of what is sent as the body of a PUT; ``part`` counts from 0."""

    path: str = ""
    part: int = 0
    data: bytes = b""
    last: bool = False


@dataclass(frozen=True)
class Cancel(Message):
    """What has this id is not wanted any more."""


@dataclass(frozen=True)
class Again(Message):
    """Messages to the page were lost: it asks for the answers to these anew."""

    ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class LiveOpen(Message):
    pass


@dataclass(frozen=True)
class LiveSend(Message):
    data: str = ""


@dataclass(frozen=True)
class LiveClose(Message):
    pass


class Unreadable(Exception):
    """A message that cannot be answered, because it does not say who asks."""


class Refused(Exception):
    """A message that is not carried; ``problem`` says why, to the view and id."""

    def __init__(self, view: str, number: int, problem: OrkeeError) -> None:
        super().__init__(problem.cause)
        self.view = view
        self.id = number
        self.problem = problem


def decode(content: object) -> Message:
    """Return a page's message. Raises Unreadable, or Refused for what is not carried."""
    if not isinstance(content, dict):
        raise Unreadable
    view, kind = content.get("view"), content.get("kind")
    if not isinstance(view, str) or not _VIEW.fullmatch(view):
        raise Unreadable
    number = content.get("id", 0)
    if type(number) is not int or not 0 <= number < _ID_LIMIT:
        raise Unreadable
    make = _KINDS.get(kind) if isinstance(kind, str) else None
    if make is None:
        raise Unreadable
    try:
        return make(view, number, content)
    except OrkeeError as error:
        raise Refused(view, number, error) from None


def checked_path(value: object) -> str:
    """Return a path, with its query, that stays below the interface.

    Raises OrkeeError ``invalid_path`` for an address, a path from the root, empty parts and
    ``.`` or ``..``, also where they are written with percent signs.
    """
    if not isinstance(value, str) or len(value) > _PATH_LIMIT:
        raise _refused("A path is not text, or too long.")
    path, mark, query = value.partition("?")
    for segment in path.split("/"):
        if not _SEGMENT.fullmatch(segment) or not _stays(segment):
            raise _refused("A path leads out of the interface.")
    if ":" in path.split("/", 1)[0] or (mark and not _QUERY.fullmatch(query)):
        raise _refused("A path is an address, or its query cannot be read.")
    return value


def _stays(segment: str) -> bool:
    """Whether nobody on the way can take a part for more than one, or for a step up."""
    seen = segment
    for _ in range(3):  # whoever is in between may decode once more
        if any(part in ("", ".", "..") for part in re.split(r"[/\\]", seen)):
            return False
        seen = unquote(seen, errors="replace")
    return not any(part in ("", ".", "..") for part in re.split(r"[/\\]", seen))


def _refused(cause: str) -> OrkeeError:
    return OrkeeError(
        "invalid_path", cause, "Run the cell again, so that page and kernel are of one version."
    )


def _request(view: str, number: int, content: Mapping[str, Any]) -> Message:
    method = content.get("method")
    if method not in METHODS:
        raise OrkeeError(
            "invalid_request", "A method is not carried.", f"Use {', '.join(METHODS)}."
        )
    return Request(
        view, number, str(method), checked_path(content.get("path")), content.get("body")
    )


def _read(view: str, number: int, content: Mapping[str, Any]) -> Message:
    limit = content.get("limit")
    if type(limit) is not int or limit < 0:
        raise OrkeeError("invalid_request", "A read has no limit.", "Give it in bytes.")
    return Read(view, number, checked_path(content.get("path")), min(limit, _READ_LIMIT))


def _write(view: str, number: int, content: Mapping[str, Any]) -> Message:
    part, data = content.get("part"), content.get("data")
    try:
        if type(part) is not int or part < 0 or not isinstance(data, str):
            raise ValueError
        piece = base64.b64decode(data, validate=True)
    except (ValueError, binascii.Error):
        piece = None
    if piece is None or len(piece) > PIECE_LIMIT:
        raise OrkeeError(
            "invalid_request",
            "A piece of a file cannot be read.",
            f"Send base64 of at most {PIECE_LIMIT} bytes.",
        )
    path = checked_path(content.get("path"))
    return Write(view, number, path, int(part or 0), piece, content.get("last") is True)


def _again(view: str, number: int, content: Mapping[str, Any]) -> Message:
    ids = content.get("ids")
    found = [each for each in ids if type(each) is int] if isinstance(ids, list) else []
    return Again(view, number, tuple(found[:256]))


def _live_send(view: str, number: int, content: Mapping[str, Any]) -> Message:
    data = content.get("data")
    if not isinstance(data, str) or len(data) > _LIVE_LIMIT:
        raise OrkeeError("invalid_request", "A live message is not text, or too long.")
    return LiveSend(view, number, data)


_KINDS: Final[Mapping[str, Callable[[str, int, Mapping[str, Any]], Message]]] = {
    "alive": lambda view, number, _: Alive(view, number),
    "gone": lambda view, number, _: Gone(view, number),
    "request": _request,
    "read": _read,
    "write": _write,
    "cancel": lambda view, number, _: Cancel(view, number),
    "again": _again,
    "live-open": lambda view, number, _: LiveOpen(view, number),
    "live-send": _live_send,
    "live-close": lambda view, number, _: LiveClose(view, number),
}
