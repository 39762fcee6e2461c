"""Room on the disk of the native engine: seen to before a create, set aside for a stop.

Dagger 0.19 cannot be relied on where nothing fits any more: it dies of a nil pointer when it is
to run a container just then (`extractContainerBkOutputs`), and all sandboxes with it. To empty
the workspace that fills the disk takes such a container.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Final

from ..sandbox.errors import OrkeeError

log = logging.getLogger(__name__)

SET_ASIDE: Final = 64 << 20  # bytes
#: Bytes that have to be free for a container to be started, beside those.
LEAST: Final = 32 << 20
_ENDLESS: Final = 1 << 62


class Room:
    """The room in a folder, of which some is set aside for the emptying of workspaces.

    Without a folder, as with an engine that is not ours, it is never full.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._reserve = None if folder is None else folder / "set-aside"

    def check(self) -> None:
        """See that a container can be started. Raises OrkeeError ``disk_full``."""
        if self.is_full():
            raise self.full()

    def is_full(self) -> bool:
        """Say whether there is too little room for a container, beside what is set aside."""
        is_set_aside = self._reserve is not None and self._reserve.exists()
        return self._free() < (LEAST if is_set_aside else LEAST + SET_ASIDE)

    def full(self) -> OrkeeError:
        """Return the error for a disk that is full."""
        return OrkeeError(
            "disk_full",
            f"The disk of the Dagger engine ({self._folder}) is full.",
            "Stop a sandbox that has written much, or free space there. What a set-up left goes "
            "with `orkee engine stop`, which pauses sandboxes.",
            details={"path": str(self._folder)},
        )

    def set_aside(self) -> None:
        """Have some room kept, where there is plenty. Never raises."""
        if self._reserve is None or self._reserve.exists() or self._free() < 4 * SET_ASIDE:
            return
        with contextlib.suppress(OSError), self._reserve.open("xb") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, SET_ASIDE)
            except OSError:
                self._reserve.unlink()  # less than all of it would count as all

    def give_up(self) -> None:
        """Let the engine have what was set aside, if it has nothing else. Never raises."""
        if self._reserve is None or self._free() >= LEAST:
            return
        with contextlib.suppress(OSError):
            self._reserve.unlink()
            log.warning("The disk of the engine is full: it gets what was set aside for that.")

    def _free(self) -> int:
        """Return the bytes that fit; a great many where nobody can say."""
        if self._folder is None:
            return _ENDLESS
        try:
            found = os.statvfs(self._folder)
        except OSError:
            return _ENDLESS
        return found.f_bavail * found.f_frsize
