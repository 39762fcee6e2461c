"""Snapshots as files: an archive and a description each, in a folder for each owner.

``OWNER/ID.tar`` is the archive, ``OWNER/NAME.json`` says whose it is. The description is
written last, by a rename, and removed first: an archive without one is no snapshot. Whoever
writes an archive holds a lock on it, so what a dead server left can be told from what another
one is just writing.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace as changed
from functools import partial
from pathlib import Path
from typing import IO, Final, TypeVar

from ..sandbox import failpoint
from ..sandbox.activity import close_iterator
from ..sandbox.errors import OrkeeError
from ..sandbox.model import show_bytes
from ..sandbox.snapshots import Snapshot, decode, encode, no_snapshot, snapshot_exists, too_large
from ..sandbox.validate import NAME

log = logging.getLogger(__name__)

DEFAULT_LIMIT: Final = 10 << 30  # bytes of one archive
_PIECE: Final = 1 << 20  # bytes that are read or written at once
_MAX_DESCRIPTION: Final = 4 << 20
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)

T = TypeVar("T")


class SnapshotShelf:
    """A ``Shelf`` in a folder that only its user can read. The folder is made when needed."""

    def __init__(self, folder: Path, limit: int = DEFAULT_LIMIT) -> None:
        self._folder = folder
        self._limit = limit

    async def sweep(self) -> None:
        """Remove what a server left half-written when it died. Never raises."""
        try:
            await _in_thread(self._sweep)
        except OSError as error:
            log.warning("The folder of the snapshots cannot be tidied: %s", error)

    async def list(self, owner: str) -> Sequence[Snapshot]:
        with self._translated():
            return await _in_thread(lambda: self._list(owner))

    async def get(self, owner: str, name: str) -> Snapshot:
        with self._translated():
            return await _in_thread(lambda: self._get(owner, name))

    async def check_free(self, owner: str, name: str) -> None:
        path = self._description(owner, name)
        with self._translated():
            if await _in_thread(path.exists):
                raise snapshot_exists(name)

    async def add(
        self,
        snapshot: Snapshot,
        pieces: AsyncIterator[bytes],
        *,
        replace: bool = False,
        told: Callable[[int], object] = lambda _: None,
    ) -> Snapshot:
        draft = _Draft(self._place(snapshot.user_id), snapshot.id)
        try:
            with self._translated():
                await _in_thread(draft.open)
                await failpoint.reach("snapshot.begun")
                async for batch in _batches(pieces):
                    if draft.size + len(batch) > self._limit:
                        raise too_large(self._limit, show_bytes(self._limit))
                    await _in_thread(partial(draft.write, batch))
                    told(draft.size)
                kept = changed(snapshot, size=draft.size)
                await _in_thread(lambda: self._commit(draft, kept, replace))
                return kept
        finally:
            await _in_thread(draft.close)
            await close_iterator(pieces)

    async def remove(self, owner: str, name: str) -> None:
        with self._translated():
            await _in_thread(lambda: self._remove(owner, name))

    async def pieces(self, snapshot: Snapshot) -> AsyncIterator[bytes]:
        """Yield the archive of a snapshot. Raises ``snapshot_failed`` if it is not whole."""
        reader = _Reader(self._archive(snapshot))
        try:
            with self._translated():
                try:
                    size = await _in_thread(reader.open)
                except FileNotFoundError:
                    raise no_snapshot(snapshot.name) from None
                if size != snapshot.size:
                    raise _damaged(snapshot.name)
                while data := await _in_thread(reader.read):
                    yield data
        finally:
            await _in_thread(reader.close)

    # -- what blocks, to be done in a thread --------------------------------------

    def _place(self, owner: str) -> Path:
        """Return an owner's folder. An owner's name may hold anything, so it is no file's."""
        return self._folder / hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()

    def _description(self, owner: str, name: str) -> Path:
        if not NAME.fullmatch(name):  # it becomes a file's
            raise no_snapshot(name)
        return self._place(owner) / f"{name}.json"

    def _archive(self, snapshot: Snapshot) -> Path:
        return self._place(snapshot.user_id) / f"{snapshot.id}.tar"

    def _list(self, owner: str) -> Sequence[Snapshot]:
        found = []
        for path in self._place(owner).glob("*.json"):
            try:
                found.append(_read(path))
            except FileNotFoundError:
                continue  # removed just now
            except OrkeeError as error:
                log.warning("%s", error)
        mine = [each for each in found if each.user_id == owner]
        return sorted(mine, key=lambda each: (each.created_at, each.name), reverse=True)

    def _get(self, owner: str, name: str) -> Snapshot:
        try:
            found = _read(self._description(owner, name))
        except FileNotFoundError:
            raise no_snapshot(name) from None
        if found.user_id != owner or found.name != name:
            raise _damaged(name)
        return found

    def _commit(self, draft: _Draft, snapshot: Snapshot, replace: bool) -> None:
        """Make an archive a snapshot: from here on it is there, also after a loss of power."""
        draft.sync()
        path = self._description(snapshot.user_id, snapshot.name)
        fresh = path.with_name(f"{snapshot.id}.new")
        try:
            _write(fresh, json.dumps(encode(snapshot)).encode())
            failpoint.reach_in_thread("snapshot.archive")
            with _locked(path.parent):
                old = _archive_of(path)
                if path.exists() and not replace:
                    raise snapshot_exists(snapshot.name)
                fresh.replace(path)
                draft.is_kept = True
                _sync_folder(path.parent)
                failpoint.reach_in_thread("snapshot.named")
                if old is not None:
                    old.unlink(missing_ok=True)
        finally:
            fresh.unlink(missing_ok=True)

    def _remove(self, owner: str, name: str) -> None:
        path = self._description(owner, name)
        if not path.parent.is_dir():
            raise no_snapshot(name)
        with _locked(path.parent):
            archive = _archive_of(path)
            try:
                path.unlink()
            except FileNotFoundError:
                raise no_snapshot(name) from None
            _sync_folder(path.parent)
            if archive is not None:
                archive.unlink(missing_ok=True)

    def _sweep(self) -> None:
        if not self._folder.is_dir():
            return
        for place in self._folder.iterdir():
            if not place.is_dir():
                continue
            with _locked(place):
                descriptions = list(place.glob("*.json"))
                kept = {archive for each in descriptions if (archive := _archive_of(each))}
                if any(_archive_of(each) is None for each in descriptions):
                    continue  # whose archive that is nobody can say any more
                for path in place.glob("*.tar"):
                    if path not in kept and not _is_written(path):
                        path.unlink(missing_ok=True)
                        path.with_suffix(".new").unlink(missing_ok=True)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise OrkeeError(
                    "disk_full",
                    f"The disk that holds the snapshots ({self._folder}) is full.",
                    "Free some space there, or remove a snapshot, and try again.",
                    details={"path": str(self._folder)},
                ) from error
            raise OrkeeError(
                "snapshot_failed",
                f"The folder of the snapshots {self._folder} cannot be used: {error.strerror}.",
                "See that you may write to it.",
                details={"path": str(self._folder)},
            ) from error


class _Draft:
    """An archive that is being written; closed before it is kept, it is removed."""

    def __init__(self, place: Path, identity: str) -> None:
        self._path = place / f"{identity}.tar"
        self._file: IO[bytes] | None = None
        self.size = 0
        self.is_kept = False

    def open(self) -> None:
        self._path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        with _locked(self._path.parent):  # a sweep must not see it before it is locked
            self._file = open(self._path, "xb", buffering=0, opener=_private)  # noqa: SIM115
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def write(self, data: bytes) -> None:
        assert self._file is not None
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self.size += len(data)

    def sync(self) -> None:
        assert self._file is not None
        os.fsync(self._file.fileno())

    def close(self) -> None:
        if self._file is None:
            return
        if not self.is_kept:
            self._path.unlink(missing_ok=True)
        self._file.close()


class _Reader:
    """An archive that is being read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def open(self) -> int:
        """Open it and return its size."""
        self._file = self._path.open("rb", buffering=0)
        return os.fstat(self._file.fileno()).st_size

    def read(self) -> bytes:
        assert self._file is not None
        return self._file.read(_PIECE)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


async def _in_thread(call: Callable[[], T]) -> T:
    """Return what a blocking call returns. Cancelled, it waits for the call to be over: what
    that one uses must not be closed meanwhile."""
    work = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait({work})
        work.exception()  # nobody else asks for it
        raise


async def _batches(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the bytes of pieces in larger ones."""
    waiting: list[bytes] = []
    size = 0
    async for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _PIECE:
            yield b"".join(waiting)
            waiting, size = [], 0
    if size:
        yield b"".join(waiting)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _write(path: Path, data: bytes) -> None:
    with open(path, "xb", opener=_private) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> Snapshot:
    """Return the snapshot of a description. Raises ``snapshot_failed`` for a damaged one."""
    with path.open("rb") as file:
        data = file.read(_MAX_DESCRIPTION)
    try:
        value = json.loads(data)
        if not isinstance(value, dict):
            raise ValueError("it is no object")
        return decode(value)
    except (ValueError, RecursionError) as error:
        raise _damaged(path.stem) from error


def _archive_of(description: Path) -> Path | None:
    """Return the archive that a description names; None where it does not say so."""
    try:
        identity = _read(description).id
    except (FileNotFoundError, OrkeeError):
        return None
    return description.with_name(f"{os.path.basename(identity)}.tar")  # noqa: PTH119


@contextlib.contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Hold the lock of an owner's folder, against the other servers of this user too."""
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_written(path: Path) -> bool:
    """Say whether somebody is writing an archive just now."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _damaged(name: str) -> OrkeeError:
    return OrkeeError(
        "snapshot_failed",
        f"The snapshot {name!r} is damaged.",
        f"Remove it with `orkee sandbox snapshots rm {name}`, and make it anew.",
        details={"name": name},
    )
