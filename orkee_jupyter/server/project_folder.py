"""A folder of the server's own as the beginning of a workspace: which may be, and its archive."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_server.utils import ensure_async

from ..archive.ignoring import GitIgnore
from ..archive.packing import pack, scan
from ..sandbox.errors import OrkeeError
from ..sandbox.validate import show

if TYPE_CHECKING:
    from ..sandbox.ports import Filling
    from .base import OrkeeHandler


async def project_filling(handler: OrkeeHandler, given: str) -> Filling:
    """Return what gives the archive of a folder inside the server's root folder.

    Without what its ``.gitignore`` and ``.orkeeignore`` files name, and ``.git``. Raises
    ``invalid_project_folder``, and ``forbidden`` for a user who may not read the server's files.
    """
    allowed = handler.authorizer.is_authorized(handler, handler.current_user, "read", "contents")
    if not await ensure_async(allowed):
        raise OrkeeError(
            "forbidden",
            "You may not read the files of this server.",
            "Create the sandbox without a project folder, and push your own files.",
        )
    root = Path(handler.settings["server_root_dir"])
    folder = await asyncio.to_thread(inside, root, given)
    return lambda: archive(folder)


def inside(root: Path, given: str) -> Path:
    """Return the real path of a folder below ``root``; no link of it may lead out.

    Raises ``invalid_project_folder``.
    """
    try:
        root = root.expanduser()
        home = root.resolve(strict=True)
        wanted = Path(given)
        if not (wanted.is_absolute() and wanted.is_relative_to(root)):
            wanted = home / given.lstrip("/")  # as Jupyter writes paths: from its root
        real = wanted.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise _invalid(given, "does not exist in the server's root folder") from None
    if not real.is_relative_to(home):
        raise _invalid(given, "is not inside the server's root folder")
    if not real.is_dir():
        raise _invalid(given, "is not a folder")
    return real


async def archive(folder: Path) -> AsyncIterator[bytes]:
    """Yield the archive of a folder; it is read in a thread, a piece ahead of nobody."""
    pieces = pack(scan(folder, GitIgnore(folder)))
    try:
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece
    finally:
        with contextlib.suppress(ValueError):  # a cancelled wait leaves the thread reading
            pieces.close()


def _invalid(given: str, why: str) -> OrkeeError:
    return OrkeeError(
        "invalid_project_folder",
        f"The project folder {show(given)} {why}.",
        "Name a folder by its path from the server's root folder, such as 'work/app'.",
        details={"field": "project_folder"},
    )
