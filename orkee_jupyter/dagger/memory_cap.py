"""A cap on the memory of ``dagger session``, which the kernel keeps.

What a container sends over the forwarded socket waits in that process without a bound for
whoever does not read. A server that was stopped can't look after that, and without root
there is no cgroup; a resource limit needs neither.
"""

from __future__ import annotations

import logging
import re
import resource
from pathlib import Path

log = logging.getLogger(__name__)

#: Bytes; about six times what sessions in busy use were measured to have.
DEFAULT = 1 << 30
#: What Go says last when the kernel gives it no more, and how it exits then.
_LAST_WORDS = re.compile(rb"^(?:fatal error|runtime): .*(?:out of|cannot allocate) memory", re.M)
_EXIT_CODE = 2
_LOOK = 8 << 20  # bytes of a log's end: the stacks of all goroutines come after the words


def environment(cap: int) -> dict[str, str]:
    """Return the variables that have Go collect harder before the cap is reached."""
    return {"GOMEMLIMIT": str(cap // 4 * 3)} if cap else {}


def keep(pid: int, cap: int) -> None:
    """Cap a process's writable private memory, in bytes; 0 for no cap.

    Go's heap is that; the addresses that it merely reserves are not counted.
    """
    if not cap:
        return
    try:
        _, hard = resource.prlimit(pid, resource.RLIMIT_DATA)
        least = cap if hard == resource.RLIM_INFINITY else min(cap, hard)
        resource.prlimit(pid, resource.RLIMIT_DATA, (least, least))
    except ProcessLookupError:
        return  # it has ended, and that is told elsewhere
    except OSError as error:  # better a session without it than none
        log.warning("The memory of the engine's session is not capped: %s", error)


def was_reached(said: Path, exit_code: int | None) -> bool:
    """Return whether a process ended for want of memory, by its exit code and its last words.

    ``said`` is the file that has its stderr.
    """
    if exit_code != _EXIT_CODE:
        return False
    try:
        with said.open("rb") as file:
            file.seek(max(0, said.stat().st_size - _LOOK))
            return _LAST_WORDS.search(file.read(_LOOK)) is not None
    except OSError:
        return False
