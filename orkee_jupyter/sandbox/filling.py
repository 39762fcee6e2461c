"""A workspace is filled with an archive, before its sandbox's command starts."""

from __future__ import annotations

from .activity import close_iterator
from .files import FileRequest, entries_of, received_of
from .ports import Content, Daemon


async def fill(daemon: Daemon, content: Content) -> None:
    """Unpack what a content gives into the working directory.

    No more than a piece of it is in memory. Raises what broke it: ``file_*``,
    ``disk_full``, ``invalid_archive``, ``sandbox_lost``, ``snapshot_*``.
    """
    if content.alone:
        await _empty(daemon)
    pieces = content.pieces()
    try:
        stream = await daemon.files(FileRequest("push"))
        try:
            async for piece in pieces:
                await stream.write(piece)
            await stream.end_write()
            await received_of(stream)
        finally:
            await stream.close()
    finally:
        await close_iterator(pieces)


async def _empty(daemon: Daemon) -> None:
    """Remove what the image has put into the working directory: a file that its owner had
    removed before a snapshot must not come back with it."""
    listing = await daemon.files(FileRequest("list"))
    try:
        found = [entry.path async for entry in entries_of(listing)]
    finally:
        await listing.close()
    for path in found:
        removal = await daemon.files(FileRequest("remove", path, recursive=True))
        try:
            await removal.read()  # returns at its end
        finally:
            await removal.close()
