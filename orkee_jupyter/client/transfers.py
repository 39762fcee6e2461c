"""What goes between a folder here and one in a sandbox: plans, results, progress."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from orkee_jupyter.archive.ignoring import GitIgnore
from orkee_jupyter.archive.packing import CHUNK, Ignored, Member, cannot_read, member_of, scan
from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import FileEntry

from .results import not_understood

#: Called with the bytes done and their sum, None where that is not known.
OnProgress = Callable[[int, int | None], object]
#: What can be written to a file.
Content = bytes | str | BinaryIO | Iterable[bytes]
#: Seconds that two times may differ and still be the same: JSON has them as floating point.
_SAME_TIME: Final = 1e-5


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push took along: how many files and links, and the bytes in them."""

    files: int
    bytes: int

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Pushed:
        """Return what the server's answer says."""
        try:
            received = answer["received"]
            return cls(int(received["files"]), int(received["bytes"]))
        except (KeyError, TypeError, ValueError) as error:
            raise not_understood() from error


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync did: paths that were sent and removed, and how many were the same."""

    sent: Sequence[str] = field(default_factory=tuple)
    removed: Sequence[str] = field(default_factory=tuple)
    same: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class FileChange:
    """A change in a sandbox: ``event`` is "created", "changed", "removed" or "overflow".

    An overflow says that changes were missed: look anew.
    """

    event: str
    path: str


def to_file(data: object) -> FileEntry:
    """Return the entry that a JSON object stands for."""
    if not isinstance(data, Mapping):
        raise not_understood()
    try:
        target = data.get("target")
        return FileEntry(
            path=str(data["path"]),
            type=str(data["type"]),
            size=int(data["size"]),
            mode=int(data["mode"]),
            mtime=float(data["mtime"]),
            target=None if target is None else str(target),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise not_understood() from error


def to_chunks(content: Content) -> bytes | Iterator[bytes]:
    """Return content as bytes, or as an iterator that gives them."""
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, bytes | bytearray | memoryview):
        return bytes(content)
    if hasattr(content, "read"):
        return iter(lambda: content.read(CHUNK), b"")
    return iter(content)


def metered(
    chunks: Iterable[bytes], on_progress: OnProgress | None, total: int | None
) -> Iterator[bytes]:
    """Yield chunks, telling after each how many bytes went so far, never more than ``total``."""
    done = 0
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        if on_progress is not None:
            on_progress(done if total is None else min(done, total), total)


def plan(source: Path, name: str | None, *, gitignore: bool) -> list[Member]:
    """Return what a push of a file, to be called ``name``, or of a folder takes along."""
    if source.is_dir():
        return list(scan(source, GitIgnore(source) if gitignore else None))
    try:
        info = source.stat()
    except OSError as error:
        raise cannot_read(str(source), error) from error
    member = member_of(str(source.resolve()), name or source.name, info)
    if member is None:
        raise OrkeeError(
            "invalid_path",
            f"{str(source)!r} is neither a file nor a folder.",
            "Read it yourself and give the bytes to files.write().",
        )
    return [member]


def sum_of(members: Iterable[Member]) -> int:
    """Return the bytes in the files among members."""
    return sum(member.size for member in members)


def changed(members: Iterable[Member], present: Mapping[str, FileEntry]) -> list[Member]:
    """Return the members that are not in the sandbox as they are here."""
    return [member for member in members if not _is_same(member, present.get(member.name))]


def _is_same(member: Member, entry: FileEntry | None) -> bool:
    if entry is None or entry.type != member.kind:
        return False
    if member.kind == "symlink":
        return entry.target == str(Path(member.source).readlink())
    if entry.mode != member.mode:
        return False
    return member.kind == "directory" or (
        entry.size == member.size and abs(entry.mtime - member.mtime_ns / 1e9) < _SAME_TIME
    )


def surplus(
    members: Iterable[Member], present: Mapping[str, FileEntry], ignored: Ignored | None
) -> list[str]:
    """Return the paths in the sandbox that are not here, without those inside of others.

    A file where there is a folder here is not here, nor the other way round. What would not
    be sent is not removed either.
    """
    here = {
        member.name
        for member in members
        if member.name not in present
        or (member.kind == "directory") == (present[member.name].type == "directory")
    }
    found: list[str] = []
    kept: set[str] = set()
    for path in sorted(present, key=lambda each: each.split("/")):
        parent = posixpath.dirname(path)
        if parent in kept or (ignored and ignored(path, present[path].type == "directory")):
            kept.add(path)  # with all that is in it
        elif path not in here and not (found and path.startswith(found[-1] + "/")):
            found.append(path)
    return found


def is_folder_name(path: str) -> bool:
    """Return whether a path says by itself that it is a folder."""
    return path.endswith("/") or posixpath.basename(path) in ("", ".", "..")


def base_name(path: str, otherwise: str) -> str:
    """Return the last part of a path, or ``otherwise`` where that is no name."""
    name = posixpath.basename(path.rstrip("/"))
    return otherwise if name in ("", ".", "..") else name


def human(size: int) -> str:
    """Return a number of bytes for people: "512 B", "1.5 MB"."""
    if size < 1000:
        return f"{size} B"
    value = float(size)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or unit == "TB":
            return f"{value:.3g} {unit}"
    raise AssertionError  # the last unit takes all


_WIDTH: Final = 20  # characters of a bar


def told(done: int, total: int | None) -> str:
    """Return how far a transfer is, with a bar where its whole is known."""
    if not total:
        return human(done)
    filled = min(_WIDTH, _WIDTH * done // total)
    bar = "█" * filled + "░" * (_WIDTH - filled)
    return f"{bar} {100 * done // total} % of {human(total)}"
