"""What a server and its host hold at rest, and whether that grows."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import median

import psutil

from tests.integration.processes import containers_of, host_traces

from .walk import Walk


@dataclass(frozen=True)
class Sample:
    """A look at rest: nothing is active. Memory in MB, the rest are counts."""

    minute: float
    steps: int
    memory: float  # of the server, private to it
    descriptors: int
    threads: int
    children: int  # of the server: a session, and an engine that it has started
    containers: int  # processes in them
    mounts: int  # of ours on the host, and all of the engine's
    sockets: int  # of sandboxes, that somebody listens on
    runtime: int  # files in the folder of sockets, and below
    logs: int  # kept ones


def look(walk: Walk, began: float) -> Sample:
    """Return what is held now."""
    server = psutil.Process(walk.server.pid)
    engine = int(str(walk.world.engine_status().get("engine_pid") or 0))
    mounts = len(host_traces()["mounts"])
    with contextlib.suppress(OSError):  # it is down, and so are its mounts
        mounts += len(Path(f"/proc/{engine}/mountinfo").read_text().splitlines())
    listening = Path("/proc/net/unix").read_text()
    everybody = [*walk.model.live, *walk.model.ended]
    return Sample(
        round((time.monotonic() - began) / 60, 2),
        walk.steps.total(),
        round(server.memory_full_info().uss / 1e6, 1),
        server.num_fds(),
        server.num_threads(),
        len(server.children()),
        len(containers_of(everybody)),
        mounts,
        # The kernel has them by the name that they were bound to, before they got their own.
        sum(str(p.with_suffix(".new")) in listening for p in walk.world.sockets.glob("s/*.sock")),
        len(list(walk.world.sockets.rglob("*"))),
        len(list(walk.world.data.glob("sandboxes/*"))),
    )


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the growth a minute, by the median of all pairs: bursts count little."""
    pairs = [
        (b[1] - a[1]) / (b[0] - a[0])
        for i, a in enumerate(points)
        for b in points[i + 1 :]
        if b[0] > a[0]
    ]
    return median(pairs) if pairs else 0.0


def growth(samples: Sequence[Sample], name: str) -> float:
    """Return how much of something is gained a minute over these samples."""
    return slope([(each.minute, float(getattr(each, name))) for each in samples])


def table(samples: Sequence[Sample], most: int = 16) -> list[str]:
    """Return some of the samples as a table, the first and the last among them."""
    names = [each.name for each in fields(Sample)]
    step = max(1, -(-len(samples) // most))
    shown = [*samples[:-1:step], *samples[-1:]]
    return [
        f"| {' | '.join(names)} |",
        f"|{' --- |' * len(names)}",
        *(f"| {' | '.join(map(str, astuple(each)))} |" for each in shown),
    ]
