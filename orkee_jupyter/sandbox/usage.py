"""What a sandbox uses: what its daemon counts, and the samples that are made of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from .model import Limits, show_bytes

#: A share of processor time is told over at least so many seconds.
WINDOW: Final = 0.5
_KEPT: Final = 16


@dataclass(frozen=True, slots=True)
class Usage:
    """What a daemon has counted in its container since it began."""

    uptime: float  # seconds
    cpu_seconds: float
    throttled_seconds: float  # that commands were held back, from inside
    memory: int  # bytes
    memory_peak: int  # bytes
    processes: int
    threads: int
    received: int  # bytes, by all interfaces but the loopback
    sent: int  # bytes
    disk: int | None  # bytes of the workspace, None before they were counted
    disk_complete: bool  # whether all of the workspace was


@dataclass(frozen=True, slots=True)
class Stats:
    """What a sandbox uses at a moment, as REST tells it. The names have the units."""

    time: float  # seconds since 1970, by the server's clock
    cpu_percent: float  # of one processor, over the last moments: 150.0 is one and a half
    cpu_seconds: float
    throttled_seconds: float  # that commands were held back to keep to their share
    memory_bytes: int
    memory_peak_bytes: int
    processes: int
    threads: int
    network_received_bytes: int
    network_sent_bytes: int
    disk_bytes: int | None
    disk_complete: bool

    def to_json(self) -> dict[str, Any]:
        """Return the REST object."""
        return asdict(self)

    def words(self, limits: Limits | None = None) -> dict[str, str]:
        """Return what people read, by the heads of a table's columns."""
        limits = limits or Limits()
        cpu = f"{self.cpu_percent:.1f} %"
        if limits.cpus is not None:
            cpu += f" of {limits.cpus * 100:g} %"
        memory = show_bytes(self.memory_bytes)
        if limits.memory is not None:
            memory += f" of {show_bytes(limits.memory)}"
        threads = str(self.threads) if limits.pids is None else f"{self.threads} of {limits.pids}"
        disk = "-"
        if self.disk_bytes is not None:
            disk = f"{'' if self.disk_complete else 'over '}{show_bytes(self.disk_bytes)}"
        return {
            "CPU": cpu,
            "CPU TIME": f"{self.cpu_seconds:.1f} s",
            "HELD BACK": f"{self.throttled_seconds:.1f} s",
            "MEMORY": memory,
            "PEAK": show_bytes(self.memory_peak_bytes),
            "PROCESSES": str(self.processes),
            "THREADS": threads,
            "RECEIVED": show_bytes(self.network_received_bytes),
            "SENT": show_bytes(self.network_sent_bytes),
            "DISK": disk,
        }

    @classmethod
    def from_json(cls, obj: object) -> Stats:
        """Return what a REST object says; of one from another version what is known."""
        given = obj if isinstance(obj, Mapping) else {}
        return cls(**{field.name: given.get(field.name, 0) for field in fields(cls)})


class Gauge:
    """Makes samples of what a daemon tells, and keeps the latest."""

    def __init__(self) -> None:
        self._history: deque[tuple[float, float]] = deque(maxlen=_KEPT)
        self.latest: Stats | None = None

    def take(self, usage: Usage, now: float, throttled: float = 0.0) -> Stats:
        """Return the sample of what was told at ``now``; ``throttled`` is from outside."""
        base = (0.0, 0.0)
        for at, used in self._history:
            if at <= usage.uptime - WINDOW:
                base = (at, used)
        passed = usage.uptime - base[0]
        share = (usage.cpu_seconds - base[1]) / passed if passed > 0 else 0.0
        if not self._history or self._history[-1][0] < usage.uptime:
            self._history.append((usage.uptime, usage.cpu_seconds))
        self.latest = Stats(
            time=round(now, 3),
            cpu_percent=round(max(0.0, share) * 100, 1),
            cpu_seconds=usage.cpu_seconds,
            throttled_seconds=round(max(usage.throttled_seconds, throttled), 3),
            memory_bytes=usage.memory,
            memory_peak_bytes=usage.memory_peak,
            processes=usage.processes,
            threads=usage.threads,
            network_received_bytes=usage.received,
            network_sent_bytes=usage.sent,
            disk_bytes=usage.disk,
            disk_complete=usage.disk_complete,
        )
        return self.latest
