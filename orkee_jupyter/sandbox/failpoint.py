"""Named steps at which a test has this process fail, wait or die; off unless one asks for it.

``ORKEE_FAILPOINTS="create.container=abort;row.active=error@2"`` in the environment of a
server: at each step one action, which is done once, when the step is reached for the first
time or, with ``@2``, for the second. The actions: ``error`` raises, ``delay`` waits
:data:`DELAY` seconds, ``abort`` ends the process as ``kill -9`` does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .errors import OrkeeError

VARIABLE: Final = "ORKEE_FAILPOINTS"
DELAY: Final = 1.0  # seconds
ACTIONS: Final = ("error", "delay", "abort")
#: The steps there are, in the order in which a sandbox's life comes by them. Those of ``row``
#: are before a row is written with that status, all others after what they name was done.
STEPS: Final = (
    *("migrate.schema", "migrate.record", "migrate.commit"),
    *("row.creating", "create.row", "create.engine", "create.link", "create.container"),
    *("create.daemon", "create.files", "create.command", "row.active", "create.active"),
    *("freeze.processes", "thaw.processes"),
    *("snapshot.begun", "snapshot.archive", "snapshot.named", "fork.source"),
    *("row.paused", "end.commands", "end.container", "end.workspace", "end.link"),
    *("row.failed", "row.terminated"),
)


@dataclass(slots=True)
class _Point:
    action: str
    left: int  # how many times the step is still passed by, this one included


def parse(text: str) -> dict[str, _Point]:
    """Return the points that a variable's text asks for. Raises ValueError for one unknown."""
    points = {}
    for item in filter(None, text.split(";")):
        step, _, rest = item.strip().partition("=")
        action, _, times = rest.partition("@")
        if step not in STEPS or action not in ACTIONS:
            raise ValueError(f"{VARIABLE}: {item!r} is no step with an action")
        points[step] = _Point(action, int(times or 1))
    return points


#: Empty in every server that no test has started.
_armed: Mapping[str, _Point] = parse(os.environ.get(VARIABLE, ""))


async def reach(step: str) -> None:
    """Do what is asked for at a step. Raises OrkeeError ``internal`` for ``error``."""
    if _armed and _due(step) == "delay":
        await asyncio.sleep(DELAY)


def reach_in_thread(step: str) -> None:
    """Do the same where there is no event loop, such as in a migration."""
    if _armed and _due(step) == "delay":
        time.sleep(DELAY)


def _due(step: str) -> str | None:
    """Count, and do at once what does not take time; return the action that is due."""
    point = _armed.get(step)
    if point is None:
        return None
    point.left -= 1
    if point.left:
        return None
    if point.action == "error":
        raise OrkeeError("internal", f"The failpoint {step} was reached.", "Take it out.")
    if point.action == "abort":
        os.kill(os.getpid(), signal.SIGKILL)
    return point.action
