"""The part of a sandbox that has to do with its files."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Self

from orkee_jupyter.sandbox.errors import OrkeeError

from .. import frames, transport
from ..record import SandboxRecord
from ..results import sandbox_of
from ..transfers import OnProgress, Pushed, Synced
from ..unpacking import MAX_BYTES, MAX_FILES, Pulled
from ..waiting import async_in_thread
from .connection import AsyncConnection
from .files import AsyncFiles, LocalPath


class AsyncFileSandbox(SandboxRecord):
    """A sandbox's files: single ones by ``files``, and folders, tables and the start as a whole."""

    _connection: AsyncConnection

    @property
    def files(self) -> AsyncFiles:
        """The files of the sandbox: read, write, list, stat, remove, rename, mkdir, watch."""
        return AsyncFiles(self._connection, self.id)

    async def push(
        self,
        local: LocalPath,
        path: str | None = None,
        *,
        gitignore: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Pushed:
        """Copy a file, or all that is in a folder, from this machine into the sandbox.

        A folder's contents go into the folder ``path`` (the workspace, where it is not given);
        a file becomes ``path``, or goes into it if that is a folder or ends with ``/``. Modes
        and times are kept, links stay links. Each file is replaced in one step when it has come
        whole: a transfer that breaks off leaves the old one. ``gitignore`` leaves out what git
        would, and ``.git``; ``on_progress`` gets the bytes done and their sum.
        """
        return await self.files.push(local, path, gitignore=gitignore, on_progress=on_progress)

    async def pull(
        self,
        path: str = ".",
        local: LocalPath | None = None,
        *,
        max_files: int = MAX_FILES,
        max_bytes: int = MAX_BYTES,
        on_progress: OnProgress | None = None,
    ) -> Pulled:
        """Copy a file, or all that is in a folder, from the sandbox to this machine.

        A folder's contents go into the folder ``local``, a file becomes ``local`` or goes into
        it if that is a folder; without ``local`` the last part of ``path`` names it, here in the
        current folder. Files are replaced in one step. Nothing is written outside: a name that
        would lead out ends the pull (``invalid_archive``), links that would are left out and
        named in the result's ``skipped``. More than ``max_files`` or ``max_bytes`` raise
        ``archive_too_large``.
        """
        return await self.files.pull(
            path,
            local,
            self.name or self.short_id,
            max_files=max_files,
            max_bytes=max_bytes,
            on_progress=on_progress,
        )

    async def sync(
        self,
        local: LocalPath,
        path: str = ".",
        *,
        gitignore: bool = False,
        delete: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Synced:
        """Push of a folder only what has another size, time or mode than in the sandbox.

        ``delete`` removes there what is not here, except for what ``gitignore`` leaves out.
        """
        return await self.files.sync(
            local, path, gitignore=gitignore, delete=delete, on_progress=on_progress
        )

    async def put_frame(self, name: str, frame: Any) -> str:
        """Write a pandas or polars data frame, or an Arrow table, as an Arrow file; no pickle.

        Returns its path in the workspace, ``.orkee/frames/NAME.arrow``; in the sandbox
        ``pandas.read_feather``, ``polars.read_ipc`` or ``pyarrow.feather`` read it. Raises
        ``missing_package`` without pyarrow here, ``invalid_path`` for a name with more than
        letters, digits, ``.``, ``_`` and ``-``, ``invalid_request`` for what is no table.
        """
        path = frames.path_of(name)
        with frames.spool() as file:
            await async_in_thread(frames.write, frame, file)
            await self.files.write(path, file)
        return path

    async def get_frame(self, name: str, kind: str | None = None) -> Any:
        """Return the table of that name, written by ``put_frame`` or in the sandbox.

        ``kind`` is "pandas", "polars" or "arrow"; without it pandas where it is installed,
        else polars, else an Arrow table. What the sandbox wrote is checked before it is used.
        Raises ``file_not_found``, ``missing_package``, ``invalid_archive`` for what is no
        Arrow file.
        """
        path = frames.path_of(name)
        with frames.spool() as file:
            chunks = self.files.chunks(path)
            try:
                async for chunk in chunks:
                    file.write(chunk)
            finally:
                await chunks.aclose()
            return await async_in_thread(frames.read, file, kind)

    async def fill_and_start(
        self,
        folder: LocalPath,
        gitignore: bool = False,
        on_progress: Callable[[str], object] | None = None,
    ) -> Self:
        """Copy a folder into the workspace of a sandbox whose command waits, then start that.

        The sandbox is stopped if something goes wrong.
        """
        if on_progress is not None:
            on_progress(f"copying {os.fspath(folder)} into the workspace")
        try:
            await self.push(folder, gitignore=gitignore)
            if on_progress is not None:
                on_progress("starting the command")
            path = transport.sandbox_path(self.id, "start")
            self._data = sandbox_of(await self._connection.call("POST", path))
        except BaseException as error:
            await self._take_back(error)
            raise
        return self

    async def _take_back(self, error: BaseException) -> None:
        try:
            await self._connection.call("DELETE", transport.sandbox_path(self.id))
        except OrkeeError as problem:
            error.add_note(f"The sandbox {self.short_id} was not stopped: {problem}")
