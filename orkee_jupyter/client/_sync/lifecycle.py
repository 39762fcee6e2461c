# Generated from ../_async/lifecycle.py by scripts/unasync.py. Do not edit.
"""Pausing, resuming and keeping a sandbox, for Python code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from .. import transport
from ..record import SandboxRecord
from ..results import sandbox_of
from .connection import Connection


class LifecycleSandbox(SandboxRecord):
    """The part of a sandbox that changes how long it lives, and whether it has a container."""

    _connection: Connection

    @property
    def stop_at(self) -> float | None:
        """When it is to be stopped, where that was put off."""
        return self._data.get("stop_at")

    @property
    def frozen(self) -> bool:
        """Whether it is paused with its container, its processes and their memory."""
        return bool(self._data.get("frozen"))

    def pause(self, *, freeze: bool = False) -> Self:
        """End the container and keep the workspace; return this same object.

        Commands that run get some seconds to end. It is kept as long as a sandbox may live at
        most. With ``freeze`` the container stays: its processes stand still with their memory,
        and go on with ``resume``. Raises OrkeeError ``sandbox_not_active``,
        ``freeze_unsupported``.
        """
        return self._change("POST", "pause", body={"freeze": True} if freeze else None)

    def resume(
        self,
        *,
        secrets: Mapping[str, str] | None = None,
        on_progress: Callable[[str], object] | None = None,
    ) -> Self:
        """Start the container of a paused sandbox again, as it was; return this same object.

        A frozen one goes on where it stood; of another the command begins anew, on the files
        that it left. ``on_progress`` gets a sentence for each step. ``secrets`` are values
        that the server does not know any more. Raises OrkeeError as ``create`` does, and
        ``secret_missing``; the sandbox stays paused then.
        """
        lines = self._connection.lines(
            "POST",
            transport.sandbox_path(self.id, "resume"),
            body={} if secrets is None else {"secrets": dict(secrets)},
            timeout=transport.CREATE,
        )
        try:
            for line in lines:
                if "sandbox" in line:
                    self._data = sandbox_of(line)
                    return self
                if on_progress is not None and "progress" in line:
                    on_progress(str(line["progress"]))
        finally:
            lines.close()
        raise self._connection.broken()

    def extend(self, ttl: str | float) -> Self:
        """Have it live at least so long from now, used or not; return this same object.

        ``ttl`` is "30m", "2h" or seconds. Raises OrkeeError ``invalid_ttl`` for more than the
        server allows, or than the sandbox's own timeout leaves.
        """
        return self._change("POST", "extend", body={"ttl": ttl})

    def stop_later(self, seconds: float) -> Self:
        """Have it stopped in at most 60 seconds, unless ``keep`` comes first."""
        return self._change("DELETE", params=[("after", f"{seconds:g}")])

    def keep(self) -> Self:
        """Take a stop back that is still to come; return this same object."""
        return self._change("POST", "keep")

    def _change(self, verb: str, *path: str, **request: Any) -> Self:
        answer = self._connection.call(verb, transport.sandbox_path(self.id, *path), **request)
        self._data = sandbox_of(answer)
        return self
