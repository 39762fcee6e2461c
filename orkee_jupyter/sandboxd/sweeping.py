"""Logs that are kept after their sandbox's end, and which of them go: the oldest, in time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Container
from pathlib import Path
from typing import Final

#: The file in a log's folder that its server holds locked while it writes there.
CLAIM: Final = "claim"


def claim(folder: Path) -> int:
    """Return a descriptor that keeps a log's folder, until it is closed. Raises OSError.

    The kernel lets go of it with its process, so that the log of a killed server is swept as
    any other.
    """
    fd = os.open(folder / CLAIM, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise
    return fd


def sweep_logs(folder: Path, max_age: float, most: int, in_use: Container[str]) -> list[str]:
    """Remove old logs in ``folder`` and return the names of those that are gone.

    Old are those without news for ``max_age`` seconds, and those beyond the newest ``most``.
    One that is in use, here or by another server, stays.
    """
    found = []
    with contextlib.suppress(OSError):
        for each in folder.iterdir():
            with contextlib.suppress(OSError):
                if each.name not in in_use:
                    found.append((_news(each), each))
    found.sort(reverse=True)
    oldest = time.time() - max_age
    gone = []
    for place, (news, each) in enumerate(found):
        if (news < oldest or place >= most) and not _is_claimed(each):
            shutil.rmtree(each, ignore_errors=True)
            gone.append(each.name)
    return gone


def _news(folder: Path) -> float:
    """Return when a log was written to. A folder's own time tells of new files only."""
    return max(each.stat().st_mtime for each in (folder, *folder.glob("*.log")))


def _is_claimed(folder: Path) -> bool:
    try:
        fd = os.open(folder / CLAIM, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False
