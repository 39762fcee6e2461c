"""A history in memory: what was kept, as it was told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.history import Event
from orkee_jupyter.sandbox.records import Answer, EventRecord, ExecRecord


class FakeHistory:
    """A ``HistoryStore``. ``error`` is raised by each write while it is set."""

    def __init__(self) -> None:
        self.error: OrkeeError | None = None
        self.kept: list[EventRecord] = []
        self.execs: dict[str, ExecRecord] = {}
        self.pruned: list[tuple[float, int]] = []
        self.asked: list[tuple[str, str, int, int, int]] = []
        self.begun = self.closed = False

    async def begin(self) -> None:
        self.begun = True

    async def keep(
        self,
        events: Sequence[EventRecord],
        execs: Sequence[ExecRecord],
        changed: Sequence[ExecRecord],
    ) -> None:
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        assert not {each.id for each in execs} & set(self.execs), "added twice"
        assert {each.id for each in changed} <= set(self.execs), "changed before it was added"
        self.kept += events
        self.execs |= {each.id: replace(each) for each in (*execs, *changed)}

    async def events(self, sandbox_id: str, most: int) -> Sequence[Event]:
        return [each.event for each in self.kept if each.sandbox_id == sandbox_id][-most:]

    async def prune(self, before: float, most: int) -> None:
        self.pruned.append((before, most))

    async def query(
        self,
        query: str,
        owner: str,
        sessions: Sequence[Mapping[str, object]],
        logs: Sequence[Mapping[str, object]],
        rows: int,
    ) -> Answer:
        self.asked.append((query, owner, len(sessions), len(logs), rows))
        return Answer(json.dumps({"columns": [], "rows": [], "cut": False}).encode())

    async def close(self) -> None:
        self.closed = True
