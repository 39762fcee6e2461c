"""From a folder on this machine to a tar archive, a chunk at a time."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orkee_jupyter.sandbox.errors import OrkeeError

CHUNK: Final = 128 << 10  # bytes read from a file at once
_BLOCK: Final = 512

#: Told (path relative to the folder, whether it is a folder): leave it out?
Ignored = Callable[[str, bool], bool]


@dataclass(frozen=True, slots=True)
class Member:
    """A file, folder or link to be packed; ``name`` is relative, with ``/`` between."""

    source: str
    name: str
    kind: str  # "file", "directory" or "symlink"
    size: int
    mode: int
    mtime_ns: int


def local_path(local: str | os.PathLike[str]) -> Path:
    """Return an existing file or folder of this machine. Raises ``file_not_found``."""
    path = Path(local).expanduser()
    if not path.exists():
        raise OrkeeError(
            "file_not_found",
            f"There is no {str(local)!r} on this machine.",
            "Give a file or folder that exists here.",
        )
    return path


def local_folder(local: str | os.PathLike[str]) -> Path:
    """Return an existing folder of this machine. Raises ``file_not_found``, ``not_a_directory``."""
    path = local_path(local)
    if not path.is_dir():
        raise OrkeeError(
            "not_a_directory", f"{str(local)!r} on this machine is not a folder.", "Name a folder."
        )
    return path


def scan(folder: Path, ignored: Ignored | None = None) -> Iterator[Member]:
    """Yield what is in a folder, each folder before what is in it; links stay links.

    Sockets, pipes and devices are left out, and what vanishes meanwhile.
    """
    yield from _scan(str(folder), "", ignored)


def _scan(folder: str, prefix: str, ignored: Ignored | None) -> Iterator[Member]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise cannot_read(folder, error) from error
    for entry in found:
        name = prefix + entry.name
        try:
            info = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        member = member_of(entry.path, name, info)
        if member is None or (ignored and ignored(name, member.kind == "directory")):
            continue
        yield member
        if member.kind == "directory":
            yield from _scan(entry.path, f"{name}/", ignored)


def member_of(source: str, name: str, info: os.stat_result) -> Member | None:
    """Return the member that a file becomes, None for one that is left out."""
    for kind, is_kind in _KINDS:
        if is_kind(info.st_mode):
            size = info.st_size if kind == "file" else 0
            return Member(source, name, kind, size, info.st_mode & 0o777, info.st_mtime_ns)
    return None


_KINDS: Final = (("file", stat.S_ISREG), ("directory", stat.S_ISDIR), ("symlink", stat.S_ISLNK))
_TYPES: Final = {"file": tarfile.REGTYPE, "directory": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE}


def pack(members: Iterator[Member]) -> Generator[bytes]:
    """Yield a tar archive in chunks of about a megabyte; never more than two are in memory.

    A file that grows meanwhile is packed as long as it was, one that shrinks is filled
    up with zeros. Raises ``file_forbidden`` for what may not be read.
    """
    small: list[bytes] = []
    waiting = 0
    for member in members:
        for piece in _pieces(member):
            small.append(piece)
            waiting += len(piece)
            if waiting >= CHUNK:
                yield small[0] if len(small) == 1 else b"".join(small)
                small, waiting = [], 0
    yield b"".join([*small, bytes(2 * _BLOCK)])


def _pieces(member: Member) -> Iterator[bytes]:
    try:
        if member.kind != "file":
            yield _header(member)
            return
        descriptor = os.open(member.source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as error:
        raise cannot_read(member.source, error) from error
    try:
        yield _header(member)
        left = member.size
        while left:
            piece = os.read(descriptor, min(CHUNK, left)) or bytes(min(CHUNK, left))
            left -= len(piece)
            yield piece
    except OSError as error:
        raise cannot_read(member.source, error) from error
    finally:
        os.close(descriptor)
    yield bytes(-member.size % _BLOCK)


def _header(member: Member) -> bytes:
    info = tarfile.TarInfo(member.name)
    info.type = _TYPES[member.kind]
    info.size = member.size
    info.mode = member.mode
    seconds, nanoseconds = divmod(member.mtime_ns, 1_000_000_000)
    info.mtime = seconds
    if nanoseconds:
        info.pax_headers = {"mtime": f"{seconds}.{nanoseconds:09d}"}
    if member.kind == "symlink":
        info.linkname = str(Path(member.source).readlink())
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def cannot_read(path: str, error: OSError) -> OrkeeError:
    """Return the error for a file of this machine that cannot be read."""
    return OrkeeError(
        "file_forbidden",
        f"{path!r} on this machine cannot be read: {error.strerror}.",
        "Change its permissions, or leave it out.",
    )
