"""What a sandbox uses, for Python code."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from orkee_jupyter.sandbox.usage import Stats

from .. import transport
from ..record import SandboxRecord
from .connection import AsyncConnection


class AsyncStatsSandbox(SandboxRecord):
    """The part of a sandbox that tells what it uses."""

    _connection: AsyncConnection

    async def stats(self) -> Stats:
        """Return what the sandbox uses now: processor time, memory, processes, network, disk.

        The names of its fields have their units; ``cpu_percent`` is of one processor. Asking
        does not keep the sandbox from expiring. Raises OrkeeError ``sandbox_not_active``.
        """
        answer = await self._connection.call("GET", transport.sandbox_path(self.id, "stats"))
        return Stats.from_json(answer.get("stats"))

    async def follow_stats(self, interval: float = 1.0) -> AsyncGenerator[Stats]:
        """Yield what the sandbox uses, every ``interval`` seconds (0.2 or more), until it ends.

        Close the iterator, or leave its process, to stop before. Raises OrkeeError
        ``sandbox_not_active`` if it is not active when the first is asked for.
        """
        lines = self._connection.lines(
            "GET",
            transport.sandbox_path(self.id, "stats"),
            params=[("follow", "1"), ("interval", f"{interval:g}")],
            timeout=transport.FOLLOW,
        )
        try:
            async for line in lines:
                if "stats" in line:
                    yield Stats.from_json(line["stats"])
                elif "end" in line:
                    return
        finally:
            await lines.aclose()
        raise self._connection.broken()
