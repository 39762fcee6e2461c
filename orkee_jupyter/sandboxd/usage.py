"""What a daemon tells of limits and of what its container uses. It is hostile: all is bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..sandbox.errors import OrkeeError
from ..sandbox.model import Limits
from ..sandbox.usage import Usage
from .frames import ProtocolError
from .stream import number

_MOST = 1 << 60
#: The limits that a daemon can find broken.
KINDS = ("memory", "pids")


def decode_usage(body: Mapping[str, Any]) -> Usage:
    """Return the usage in a notice or a result. Raises ProtocolError."""
    disk = None if body.get("disk") is None else number(body, "disk", 0, _MOST)
    return Usage(
        uptime=number(body, "uptime_ms", 0, _MOST) / 1000,
        cpu_seconds=number(body, "cpu_ms", 0, _MOST) / 1000,
        throttled_seconds=number(body, "throttled_ms", 0, _MOST) / 1000,
        memory=number(body, "memory", 0, _MOST),
        memory_peak=number(body, "memory_peak", 0, _MOST),
        processes=number(body, "processes", 0, _MOST),
        threads=number(body, "threads", 0, _MOST),
        received=number(body, "rx", 0, _MOST),
        sent=number(body, "tx", 0, _MOST),
        disk=disk,
        disk_complete=body.get("disk_whole") is True,
    )


def decode_breach(body: Mapping[str, Any]) -> str:
    """Return the kind of limit that a notice says was broken. Raises ProtocolError."""
    kind = body.get("kind")
    if kind not in KINDS:
        raise ProtocolError("it broke a limit that there is not")
    return str(kind)


def decode_limit(body: Mapping[str, Any]) -> str | None:
    """Return the limit for which a command was ended, None for none. Raises ProtocolError."""
    return None if body.get("limit") is None else decode_breach({"kind": body["limit"]})


def limit_params(limits: Limits) -> dict[str, Any]:
    """Return the params of the request ``limit``."""
    return {"memory": limits.memory or 0, "pids": limits.pids or 0, "cpus": limits.cpus or 0}


def limit_error(code: str, message: str) -> OrkeeError:
    """Return the OrkeeError for a daemon that does not take its limits."""
    return OrkeeError(
        "internal", f"The daemon did not take the limits ({code}): {message or 'no reason'}."
    )
