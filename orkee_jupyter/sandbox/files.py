"""Files of a sandbox: what is asked of its daemon, what it answers, and how paths are checked."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from .errors import OrkeeError
from .model import FileEntry
from .validate import show

if TYPE_CHECKING:
    from .ports import FileStream

MAX_LINE: Final = 65_536  # bytes of one line of a daemon's answer
MAX_PATH: Final = 4096  # bytes, as in Linux
TYPES: Final = frozenset({"file", "directory", "symlink", "other"})
_LAST: Final = 1 << 55  # seconds: a program may set any time, and years have 32 bits
EVENTS: Final = frozenset({"created", "changed", "removed", "overflow"})


@dataclass(frozen=True, slots=True)
class FileRequest:
    """One operation on files: list, stat, read, write, remove, rename, mkdir, pull, push, watch.

    A relative path counts from the sandbox's working directory and cannot leave it; an
    absolute one is taken as meant. ``mode`` None keeps that of the file that is replaced.
    """

    op: str
    path: str = "."
    to: str = ""
    mode: int | None = None
    offset: int = 0  # read: bytes
    length: int = 0  # read: bytes, 0 for all
    recursive: bool = False
    parents: bool = False
    follow: bool = False
    exclusive: bool = False
    overwrite: bool = False


def validate_path(value: object, field: str = "path") -> str:
    """Return a path inside a sandbox; an empty one is the workspace. Raises ``invalid_path``."""
    if not isinstance(value, str):
        raise invalid_path(f"{field} is {show(value)}, not a string.", "Give a path.")
    if "\0" in value:
        raise invalid_path(f"{field} holds a NUL character.", "Remove it.")
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise invalid_path(f"{field} is not valid Unicode.", "Send UTF-8.") from error
    if size > MAX_PATH:
        raise invalid_path(f"{field} takes {size} bytes.", f"Keep it to {MAX_PATH} bytes.")
    return value or "."


def invalid_path(cause: str, remedy: str) -> OrkeeError:
    """Return the error for a path that cannot be used."""
    return OrkeeError("invalid_path", cause, remedy)


def file_error(code: str, path: str, message: str = "") -> OrkeeError | None:
    """Return the error that a daemon's code stands for; None for one that is not about files.

    ``message`` is the daemon's own, as one safe line.
    """
    where = show(path)
    said = f": {message}" if message else ""
    known = {
        "file_not_found": (
            f"There is no {where} in the sandbox{said}.",
            "List what there is with `orkee sandbox files ID`.",
        ),
        "file_exists": (
            f"There is already a {where} in the sandbox.",
            "Choose another name, or ask for it to be replaced.",
        ),
        "not_a_directory": (f"{where} in the sandbox is not a folder{said}.", "Name a folder."),
        "is_a_directory": (f"{where} in the sandbox is a folder{said}.", "Name a file."),
        "directory_not_empty": (
            f"The folder {where} in the sandbox is not empty.",
            "Ask for it to be removed with all that is in it.",
        ),
        "permission_denied": (
            f"The sandbox's user may not do that to {where}{said}.",
            "Use a file in the workspace, or change its mode with a command.",
        ),
        "disk_full": (f"There is no room for {where} in the sandbox{said}.", "Remove something."),
        "invalid_path": (
            f"The path {where} cannot be used in the sandbox{said}.",
            "Name something in the workspace, or give an absolute path.",
        ),
        "invalid_archive": (
            f"The archive for {where} cannot be unpacked{said}.",
            "Send a tar archive of files, folders and links with relative names.",
        ),
    }
    if code not in known:
        return None
    ours = "file_forbidden" if code == "permission_denied" else code
    cause, remedy = known[code]
    return OrkeeError(ours, cause, remedy, details={"path": path})


def decode_entry(body: object) -> FileEntry:
    """Return the entry that a daemon's JSON stands for. Raises ValueError if it is none."""
    if not isinstance(body, Mapping):
        raise ValueError("an entry is not an object")
    path, kind, target = body.get("path"), body.get("type"), body.get("target")
    if not _is_path(path) or not path or "\0" in path:
        raise ValueError("an entry has no path")
    if not isinstance(kind, str) or kind not in TYPES:
        raise ValueError("an entry has no type")
    if target is not None and not _is_path(target):
        raise ValueError("an entry's target is not a path")
    mtime = body.get("mtime")
    if isinstance(mtime, bool) or not isinstance(mtime, int | float):
        raise ValueError("an entry has no time")
    if isinstance(mtime, float) and not math.isfinite(mtime):  # a whole number may be too long
        raise ValueError("an entry has no time")
    return FileEntry(
        path=path,
        type=kind,
        size=_whole(body.get("size"), 1 << 63),
        mode=_whole(body.get("mode"), 0o7777),
        mtime=float(max(-_LAST, min(_LAST, mtime))),
        target=target,
    )


def decode_event(body: Mapping[str, Any]) -> dict[str, str]:
    """Return a change that a watch tells of. Raises ValueError if it is none."""
    event, path = body.get("event"), body.get("path")
    if not isinstance(event, str) or event not in EVENTS:
        raise ValueError("a line is not a change")
    if not _is_path(path):
        raise ValueError("a change has no path")
    return {"event": event, "path": path}


def entry_json(entry: FileEntry) -> dict[str, Any]:
    """Return an entry as JSON."""
    return {
        "path": entry.path,
        "type": entry.type,
        "size": entry.size,
        "mode": entry.mode,
        "mtime": entry.mtime,
        "target": entry.target,
    }


def _is_path(value: object) -> TypeGuard[str]:
    """Return whether it is text of a path's length that can be sent on: half a character cannot."""
    if not isinstance(value, str) or len(value) > MAX_PATH:
        return False
    return not any("\ud800" <= c <= "\udfff" for c in value)


def _whole(value: object, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError("an entry's number is out of bounds")
    return value


async def lines_of(stream: FileStream) -> AsyncIterator[dict[str, Any]]:
    """Yield the JSON lines that an operation answers with. Raises ``internal`` for others."""
    partial = b""
    while data := await stream.read():
        *lines, partial = (partial + data).split(b"\n")
        for line in lines:
            yield _checked(line)
        if len(partial) > MAX_LINE:
            break
    if partial:
        raise _wrong()


def _checked(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _wrong() from error
    if not isinstance(value, dict):
        raise _wrong()
    return value


async def entries_of(stream: FileStream) -> AsyncIterator[FileEntry]:
    """Yield the entries of a folder as a list operation tells them."""
    async for line in lines_of(stream):
        try:
            yield decode_entry(line)
        except ValueError as error:
            raise _wrong() from error


async def events_of(stream: FileStream) -> AsyncIterator[dict[str, str]]:
    """Yield the changes that a watch tells of."""
    async for line in lines_of(stream):
        try:
            yield decode_event(line)
        except ValueError as error:
            raise _wrong() from error


async def received_of(stream: FileStream) -> dict[str, int]:
    """Return the numbers of files and bytes that a write or push took; waits for its end."""
    found = [line async for line in lines_of(stream)]
    try:
        (last,) = found
        return {key: _whole(last.get(key), 1 << 63) for key in ("files", "bytes")}
    except ValueError as error:
        raise _wrong() from error


def _wrong() -> OrkeeError:
    return OrkeeError(
        "internal",
        "The daemon in the sandbox answered with what is no list of files.",
        "Stop the sandbox if it is not trusted, and create it anew.",
    )
