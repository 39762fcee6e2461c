"""Unpacks a hostile archive on this machine: nothing leaves the folder, nothing is half written.

Every name is walked from the folder's descriptor, a part at a time, and links are never
followed. A file is written beside its place and moved there when it is complete.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orkee_jupyter.sandbox.errors import OrkeeError

from .tar import Header, TarReader, damaged

MAX_FILES: Final = 1_000_000
MAX_BYTES: Final = 64 << 30
_MAX_DEPTH: Final = 128
_MAX_NAMED: Final = 100  # of the members that were left out
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE, _DIRECTORY, _LINK = b"0", b"5", b"2"


@dataclass(slots=True)
class Pulled:
    """What a pull brought: where it is, how much, and what was left out for safety."""

    path: Path
    files: int = 0
    bytes: int = 0
    skipped: list[str] = field(default_factory=list)  # the first hundred


@dataclass(slots=True)
class _Pending:
    """A file that is being written, and what it becomes."""

    descriptor: int
    folder: int  # the descriptor of its folder
    temp: str
    name: str
    header: Header


class Unpacker:
    """Takes an archive's bytes; ``feed``, then ``finish``, and ``close`` in any case.

    An archive of a folder goes into ``local``, or into ``fallback`` in the current folder;
    one of a file becomes ``local``, or goes by the name of ``fallback`` into that folder.
    Raises ``invalid_archive``, ``archive_too_large``, ``invalid_path``, ``file_forbidden``,
    ``disk_full``.
    """

    def __init__(
        self,
        local: str | os.PathLike[str] | None,
        fallback: str,
        *,
        max_files: int = MAX_FILES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._local = None if local is None else Path(local).expanduser()
        self._fallback = fallback
        self._max_files = max_files
        self._max_bytes = max_bytes
        self._reader = TarReader(self)
        self._chain: list[tuple[str, int]] = []  # open folders, from the root down
        self._pending: _Pending | None = None
        self._folders: list[tuple[tuple[str, ...], Header]] = []
        self._members = 0
        self._single: str | None = None  # the name of the one file
        self.result = Pulled(Path())

    # -- what a pull calls -------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Take the archive's next bytes."""
        with self._translated():
            self._reader.feed(data)

    def finish(self) -> Pulled:
        """Say that all has come. Raises ``invalid_archive`` if something is missing."""
        self._reader.finish()
        with self._translated():
            for parts, header in reversed(self._folders):
                descriptor = self._walk(parts)
                os.fchmod(descriptor, header.mode & 0o777)
                os.utime(descriptor, ns=(header.mtime_ns, header.mtime_ns))
        return self.result

    def close(self) -> None:
        """Let everything go; a file that is not complete is removed. May be called twice."""
        pending, self._pending = self._pending, None
        if pending is not None:
            os.close(pending.descriptor)
            with contextlib.suppress(OSError):
                os.unlink(pending.temp, dir_fd=pending.folder)
        for _, descriptor in reversed(self._chain):
            os.close(descriptor)
        self._chain.clear()

    # -- what the reader calls -----------------------------------------------

    def begin(self, header: Header) -> None:
        """Take a member's header."""
        self._members += 1
        if self._members > self._max_files:
            raise _too_large(f"more than {self._max_files} files")
        if self.result.bytes + header.size > self._max_bytes:
            raise _too_large(f"more than {self._max_bytes} bytes")
        parts = _parts(header.name)
        if not self._chain:
            parts = self._open_root(parts, header)
        elif self._single is not None:
            raise damaged("it holds more than the one file")
        if header.kind == _FILE:
            self._begin_file(parts, header)
        elif header.kind == _DIRECTORY:
            self._walk(parts)
            if parts:
                self._folders.append((parts, header))
        elif header.kind == _LINK and _stays_inside(parts, header.link):
            self._link(parts, header)
        else:
            self._skip(header)

    def content(self, data: memoryview) -> None:
        """Take bytes of a file."""
        if self._pending is None:
            raise damaged("a member that is no file has bytes")
        self.result.bytes += len(data)
        while data:
            data = data[os.write(self._pending.descriptor, data) :]

    def end(self) -> None:
        """Put a complete file in its place."""
        pending = self._pending
        if pending is None:
            return
        time = pending.header.mtime_ns
        os.fchmod(pending.descriptor, pending.header.mode & 0o777)
        os.utime(pending.descriptor, ns=(time, time))
        os.rename(pending.temp, pending.name, src_dir_fd=pending.folder, dst_dir_fd=pending.folder)
        self._pending = None
        os.close(pending.descriptor)
        self.result.files += 1

    # -- on the disk -----------------------------------------------------

    def _open_root(self, parts: tuple[str, ...], header: Header) -> tuple[str, ...]:
        """Open the folder that all goes into, which the first member decides upon."""
        if header.kind == _DIRECTORY and not parts:
            folder = self._local or Path(self._fallback)
            self.result.path = folder
            folder.mkdir(parents=True, exist_ok=True)
        else:
            target = self._local or Path(self._fallback)
            if self._local is not None and self._local.is_dir():
                target = self._local / self._fallback
            folder, self._single = target.parent, target.name
            self.result.path = target
            parts = (self._single,)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC  # the chooser's own links are followed
        self._chain.append(("", os.open(folder, flags)))
        return parts

    def _walk(self, parts: tuple[str, ...]) -> int:
        """Return the descriptor of a folder, made where it is missing."""
        if len(parts) > _MAX_DEPTH:
            raise _too_large(f"folders more than {_MAX_DEPTH} deep")
        same = 0
        while same < min(len(parts), len(self._chain) - 1):
            if self._chain[same + 1][0] != parts[same]:
                break
            same += 1
        while len(self._chain) > same + 1:
            os.close(self._chain.pop()[1])
        for part in parts[same:]:
            self._chain.append((part, self._enter(part)))
        return self._chain[-1][1]

    def _enter(self, part: str) -> int:
        parent = self._chain[-1][1]
        with contextlib.suppress(FileExistsError):
            os.mkdir(part, 0o755, dir_fd=parent)
        try:
            return os.open(part, _FOLDER, dir_fd=parent)
        except (NotADirectoryError, OSError) as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            raise OrkeeError(
                "invalid_path",
                f"{part!r} on this machine is a link or a file where a folder is needed.",
                "Remove it, or pull into another folder.",
            ) from error

    def _begin_file(self, parts: tuple[str, ...], header: Header) -> None:
        if not parts:
            raise damaged("a file has no name")
        folder, temp = self._walk(parts[:-1]), _aside()
        descriptor = os.open(temp, _NEW, 0o600, dir_fd=folder)
        self._pending = _Pending(descriptor, folder, temp, parts[-1], header)

    def _link(self, parts: tuple[str, ...], header: Header) -> None:
        folder, temp = self._walk(parts[:-1]), _aside()
        os.symlink(header.link, temp, dir_fd=folder)
        try:
            os.rename(temp, parts[-1], src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            os.unlink(temp, dir_fd=folder)
            raise
        self.result.files += 1

    def _skip(self, header: Header) -> None:
        if len(self.result.skipped) < _MAX_NAMED:
            self.result.skipped.append(header.name)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            name = str(self.result.path)
            raise _cannot_write(name, error) from error


def _parts(name: str) -> tuple[str, ...]:
    """Return the parts of a member's name, or refuse the archive for it."""
    if name.startswith("/") or "\0" in name:
        raise damaged("a name leads out of the folder")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise damaged("a name leads out of the folder")
    return parts


def _stays_inside(parts: tuple[str, ...], target: str) -> bool:
    """Whether a link cannot lead out of the folder, whatever other links there are.

    ``..`` may stand at its beginning only, where it goes up through real folders.
    """
    if not parts or not target or target.startswith("/") or "\0" in target or len(target) > 4095:
        return False
    steps = [step for step in target.split("/") if step not in ("", ".")]
    up = 0
    while up < len(steps) and steps[up] == "..":
        up += 1
    return up < len(parts) and ".." not in steps[up:]


def _aside() -> str:
    return f".orkee-{secrets.token_hex(12)}.part"


def _too_large(what: str) -> OrkeeError:
    return OrkeeError(
        "archive_too_large",
        f"The sandbox sent {what}.",
        "Pull a part of it, or raise the limit if it is meant.",
    )


def _cannot_write(name: str, error: OSError) -> OrkeeError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OrkeeError(
            "disk_full", f"There is no room for {name!r} on this machine.", "Remove something."
        )
    return OrkeeError(
        "file_forbidden",
        f"{name!r} on this machine cannot be written: {error.strerror}.",
        "Choose another folder, or change its permissions.",
    )
