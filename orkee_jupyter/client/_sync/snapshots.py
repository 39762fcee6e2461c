# Generated from ../_async/snapshots.py by scripts/unasync.py. Do not edit.
"""Keeping and copying the files of a sandbox, for Python code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from .. import transport
from ..kept import Snapshot, snapshot_of
from ..record import SandboxRecord
from .connection import Connection


class SnapshotSandbox(SandboxRecord):
    """The part of a sandbox that hands its files on to other sandboxes."""

    _connection: Connection

    def snapshot(
        self,
        name: str,
        *,
        replace: bool = False,
        on_progress: Callable[[str], object] | None = None,
    ) -> Snapshot:
        """Keep the files of the workspace under a name and return the snapshot.

        What is written meanwhile may be in it or not. ``on_progress`` gets a sentence now and
        then. Raises OrkeeError ``snapshot_exists``, unless it may replace one,
        ``sandbox_not_active``, ``archive_too_large``, ``disk_full``.
        """
        body = {"name": name, "replace": replace}
        return snapshot_of(self._made("snapshot", body, on_progress))

    def fork(
        self, name: str | None = None, *, on_progress: Callable[[str], object] | None = None
    ) -> Self:
        """Start another sandbox like this one, with a copy of its files, and return it.

        It has the same definition, but free ports of the host and a name of its own, if any.
        Raises OrkeeError as ``create`` does.
        """
        body = {} if name is None else {"name": name}
        data: dict[str, Any] = self._made("fork", body, on_progress, "sandbox")
        return type(self)(data, self._connection)  # type: ignore[call-arg]  # as a sandbox's is

    def _made(
        self,
        verb: str,
        body: dict[str, Any],
        told: Callable[[str], object] | None,
        key: str = "snapshot",
    ) -> Any:
        """Return what the last line of an answer has; the others are its progress."""
        path = transport.sandbox_path(self.id, verb)
        lines = self._connection.lines("POST", path, body=body, timeout=transport.CREATE)
        try:
            for line in lines:
                if key in line:
                    return line[key]
                if told is not None and "progress" in line:
                    told(str(line["progress"]))
        finally:
            lines.close()
        raise self._connection.broken()
