"""A workspace is filled with an archive, before its sandbox's command starts."""

from __future__ import annotations

from .activity import close_iterator
from .files import FileRequest, received_of
from .ports import Daemon, Filling


async def fill(daemon: Daemon, filling: Filling) -> None:
    """Unpack what ``filling`` gives into the working directory.

    No more than a piece of it is in memory. Raises what broke it: ``file_*``,
    ``disk_full``, ``invalid_archive``, ``sandbox_lost``.
    """
    pieces = filling()
    try:
        stream = await daemon.files(FileRequest("push", "."))
        try:
            async for piece in pieces:
                await stream.write(piece)
            await stream.end_write()
            await received_of(stream)
        finally:
            await stream.close()
    finally:
        await close_iterator(pieces)
