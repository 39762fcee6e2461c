"""The list of a server with a long history."""

from __future__ import annotations

import asyncio
from typing import Any

import duckdb

from orkee_jupyter.sandbox.model import ListQuery
from orkee_jupyter.store.repository import DuckDBStore
from tests.integration.servers import Server

from ..subjects import Subject
from ..subjects.orkee import OrkeeDirect, Rest
from . import Figure, Measure, Sample, timed

ROWS = 100_000
_FILL = """
INSERT INTO sandbox_sessions
    (id, user_id, project_id, name, status, metadata, created_at, last_active_at, expires_at,
     sequence)
SELECT md5(n::VARCHAR), 'local', 'p' || n % 50, 'n' || n, 'terminated',
       '{"template":"node","image":"node:18-alpine","ports":[3000],"command":["node","x.js"],'
       || '"env":{"A":"b"},"labels":{"team":"t' || n % 40 || '"},"ttl":3600,"link":null}',
       n // 3, n, n, n + 1
FROM range($rows) r(n)
"""


class History(Measure):
    """A page of 50 and of the default size by REST, unix socket, kept connection."""

    name = "history"
    needs = frozenset({"history"})
    figures = (
        Figure("list", "list, newest 50 of 100,000 rows", "ms"),
        Figure("list_active", "list of what is active, 100,000 rows of history", "ms"),
        Figure("get_old", "get of an ended sandbox among them, by name", "ms"),
    )

    def rounds(self) -> int:
        return self.scale.rounds * self.scale.size(3, 1)

    def prepare(self, subject: Subject) -> Any:
        assert isinstance(subject, OrkeeDirect)
        server = Server(subject.world, "bench-history", env={"ORKEE_LAG_LIMIT": "0"})
        asyncio.run(_make(server, self.scale.size(ROWS, 1000)))
        server.start()
        rest = Rest(server, "unix")
        assert b'"sandboxes"' in rest.call("GET", "sandbox?limit=50")
        return server, rest

    def sample(self, subject: Subject, shared: Any) -> Sample:
        rest: Rest = shared[1]
        return {
            "list": [timed(lambda: rest.call("GET", "sandbox?limit=50"))],
            "list_active": [timed(lambda: rest.call("GET", "sandbox?status=active,creating"))],
            "get_old": [timed(lambda: rest.call("GET", "sandbox/n77"))],
        }

    def finish(self, subject: Subject, shared: Any) -> None:
        shared[0].stop()


async def _make(server: Server, rows: int) -> None:
    store = await DuckDBStore.open(server.database)

    def fill(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(_FILL, {"rows": rows})

    await store._writer.submit(fill, durable=True)
    await store.list(ListQuery(), None)
    await store.close()
