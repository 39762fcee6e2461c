"""The files of a sandbox: ``sandbox.files``, and what goes in and out as a whole."""

from __future__ import annotations

import builtins
import os
import posixpath
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from orkee_jupyter.archive.ignoring import GitIgnore
from orkee_jupyter.archive.packing import local_folder, local_path, pack
from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import FileEntry

from .. import transport
from ..results import not_understood
from ..transfers import (
    Content,
    FileChange,
    OnProgress,
    Pushed,
    Synced,
    base_name,
    changed,
    is_folder_name,
    metered,
    plan,
    sum_of,
    surplus,
    to_chunks,
    to_file,
)
from ..unpacking import MAX_BYTES, MAX_FILES, Pulled, Unpacker
from ..waiting import async_in_thread
from .connection import AsyncConnection

LocalPath = str | os.PathLike[str]
_BATCH = 256 * 1024  # bytes of an archive that are unpacked at once


class AsyncFiles:
    """The files of one sandbox. A path counts from its working directory, or is absolute.

    Every method raises OrkeeError: ``file_not_found``, ``file_exists``, ``file_forbidden``,
    ``not_a_directory``, ``is_a_directory``, ``invalid_path``, ``disk_full`` and the general ones.
    """

    def __init__(self, connection: AsyncConnection, sandbox_id: str) -> None:
        self._connection = connection
        self._path = transport.sandbox_path(sandbox_id, "files")

    async def list(self, path: str = ".", *, recursive: bool = False) -> builtins.list[FileEntry]:
        """Return what is in a folder, by name, or what is known of a file, alone in a list."""
        params = [("path", path), ("recursive", "1" if recursive else "0")]
        lines = self._connection.lines("GET", self._path, params=params, timeout=transport.FOLLOW)
        found: builtins.list[FileEntry] = []
        itself: FileEntry | None = None
        try:
            async for line in lines:
                if "file" in line:
                    found.append(to_file(line["file"]))
                elif "entry" in line:
                    itself = to_file(line["entry"])
                elif "end" in line:
                    if itself is not None and itself.type != "directory":
                        return [itself]
                    return sorted(found, key=lambda entry: entry.path)
        finally:
            await lines.aclose()
        raise self._connection.broken()

    async def stat(self, path: str, *, follow: bool = False) -> FileEntry:
        """Return what is known of a path; of what it points to, with ``follow``."""
        params = [("path", path), ("list", "0"), ("follow", "1" if follow else "0")]
        answer = await self._connection.call("GET", self._path, params=params)
        return to_file(answer.get("entry"))

    async def exists(self, path: str) -> bool:
        """Return whether there is something at a path."""
        try:
            await self.stat(path)
        except OrkeeError as error:
            if error.code not in ("file_not_found", "not_a_directory"):
                raise
            return False
        return True

    async def read(self, path: str, *, offset: int = 0, length: int | None = None) -> bytes:
        """Return a file's bytes, or ``length`` of them from ``offset`` on."""
        pieces: builtins.list[bytes] = []
        chunks = self.chunks(path, offset=offset, length=length)
        try:
            async for chunk in chunks:
                pieces.append(chunk)
        finally:
            await chunks.aclose()
        return b"".join(pieces)

    async def read_text(self, path: str, encoding: str = "utf-8") -> str:
        """Return a file's text. Raises UnicodeDecodeError."""
        return (await self.read(path)).decode(encoding)

    async def chunks(
        self, path: str, *, offset: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes]:
        """Yield a file's bytes as they come, for one that is too large for memory."""
        if length == 0:
            return
        params = [("path", path), ("offset", str(offset)), ("length", str(length or 0))]
        data = self._connection.download(f"{self._path}/content", params=params)
        try:
            async for chunk in data:
                if chunk:
                    yield chunk
        finally:
            await data.aclose()

    async def write(
        self,
        path: str,
        data: Content,
        *,
        mode: int | None = None,
        parents: bool = True,
        exclusive: bool = False,
    ) -> int:
        """Write a whole file and return its number of bytes; the old one stays until then.

        ``data`` is bytes, text, a file opened for reading bytes, or an iterable of bytes.
        ``mode`` None keeps that of the old file, else it is 0o644. ``parents`` makes missing
        folders; ``exclusive`` raises ``file_exists`` where there is something.
        """
        params = [("path", path), ("parents", _flag(parents)), ("exclusive", _flag(exclusive))]
        if mode is not None:
            params.append(("mode", f"{mode & 0o777:04o}"))
        answer = await self._connection.upload(
            f"{self._path}/content", to_chunks(data), params=params
        )
        return Pushed.of(answer).bytes

    async def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove a file, a link or an empty folder; with ``recursive`` any folder."""
        params = [("path", path), ("recursive", _flag(recursive))]
        await self._connection.call("DELETE", self._path, params=params)

    async def rename(self, path: str, to: str, *, overwrite: bool = False) -> None:
        """Give a file or folder another name or place, in one step."""
        body = {"op": "rename", "path": path, "to": to, "overwrite": overwrite}
        await self._connection.call("POST", self._path, body=body)

    async def mkdir(self, path: str, *, parents: bool = True, mode: int | None = None) -> None:
        """Make a folder. With ``parents`` also those above it, and one that is there is fine."""
        body: dict[str, Any] = {"op": "mkdir", "path": path, "parents": parents}
        if mode is not None:
            body["mode"] = f"{mode & 0o777:04o}"
        await self._connection.call("POST", self._path, body=body)

    async def watch(self, path: str = ".", *, recursive: bool = True) -> AsyncGenerator[FileChange]:
        """Yield changes in a folder as they happen, until it is closed or the folder is gone."""
        params = [("path", path), ("recursive", _flag(recursive))]
        lines = self._connection.lines(
            "GET", f"{self._path}/watch", params=params, timeout=transport.FOLLOW
        )
        try:
            async for line in lines:
                if "end" in line:
                    return
                if "event" not in line:
                    raise not_understood()
                yield FileChange(str(line["event"]), str(line.get("path", "")))
        finally:
            await lines.aclose()
        raise self._connection.broken()

    async def _upload(
        self, folder: str, members: builtins.list[Any], on_progress: OnProgress | None
    ) -> Pushed:
        chunks = metered(pack(iter(members)), on_progress, sum_of(members))
        answer = await self._connection.upload(
            f"{self._path}/archive", chunks, params=[("path", folder)]
        )
        return Pushed.of(answer)

    async def push(
        self,
        local: LocalPath,
        path: str | None = None,
        *,
        gitignore: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Pushed:
        """Copy a file or a folder's contents into the sandbox; see ``AsyncSandbox.push``."""
        source = await async_in_thread(local_path, local)
        folder, name = path or ".", None
        if not await async_in_thread(source.is_dir):
            folder, name = await self._place(source, path)
        members = await async_in_thread(plan, source, name, gitignore=gitignore)
        return await self._upload(folder, members, on_progress)

    async def _place(self, source: Path, path: str | None) -> tuple[str, str]:
        """Return the folder that a file goes into, and its name there."""
        if path is None or is_folder_name(path):
            return path or ".", source.name
        try:
            if (await self.stat(path, follow=True)).type == "directory":
                return path, source.name
        except OrkeeError as error:
            if error.code != "file_not_found":
                raise
        return posixpath.dirname(path) or ".", posixpath.basename(path)

    async def pull(
        self,
        path: str,
        local: LocalPath | None,
        fallback: str,
        *,
        max_files: int = MAX_FILES,
        max_bytes: int = MAX_BYTES,
        on_progress: OnProgress | None = None,
    ) -> Pulled:
        """Copy a file or a folder's contents to this machine; see ``AsyncSandbox.pull``."""
        unpacker = Unpacker(
            local, base_name(path, fallback), max_files=max_files, max_bytes=max_bytes
        )
        data = self._connection.download(f"{self._path}/archive", params=[("path", path)])
        waiting: builtins.list[bytes] = []
        size = 0
        try:
            async for chunk in data:
                waiting.append(chunk)
                size += len(chunk)
                if size >= _BATCH:
                    await async_in_thread(unpacker.feed, b"".join(waiting))
                    waiting, size = [], 0
                    if on_progress is not None:
                        on_progress(unpacker.result.bytes, None)
            await async_in_thread(unpacker.feed, b"".join(waiting))
            return await async_in_thread(unpacker.finish)
        finally:
            await data.aclose()
            unpacker.close()

    async def sync(
        self,
        local: LocalPath,
        path: str = ".",
        *,
        gitignore: bool = False,
        delete: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Synced:
        """Push of a folder what has changed; see ``AsyncSandbox.sync``."""
        source = await async_in_thread(local_folder, local)
        members = await async_in_thread(plan, source, None, gitignore=gitignore)
        present: dict[str, FileEntry] = {}
        try:
            present = {entry.path: entry for entry in await self.list(path, recursive=True)}
        except OrkeeError as error:
            if error.code != "file_not_found":
                raise
        wanted = changed(members, present)
        removed: builtins.list[str] = []
        if delete:
            removed = surplus(members, present, GitIgnore(source) if gitignore else None)
            for each in removed:
                await self.remove(posixpath.join(path, each), recursive=True)
        if wanted:
            await self._upload(path, wanted, on_progress)
        return Synced(
            sent=[member.name for member in wanted],
            removed=removed,
            same=len(members) - len(wanted),
            bytes=sum_of(wanted),
        )


def _flag(value: bool) -> str:
    return "1" if value else "0"
