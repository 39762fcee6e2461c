"""The connection used where no client is given: one for each process. Written by hand."""

from __future__ import annotations

import os

from .connection import Connection

_connections: dict[int, Connection] = {}


def default_connection() -> Connection:
    """Return this process's connection to the server that discovery finds."""
    # By process id, for a forked child must not share its parent's.
    return _connections.setdefault(os.getpid(), Connection())
