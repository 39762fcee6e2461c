"""``AsyncClient``: one server, for those who want to say which."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any, Self

from ...problems import from_problem
from ...sandbox.errors import OrkeeError
from .. import transport
from ..answers import QueryResult, result_of
from ..discovery import Address
from ..kept import Snapshot, name_of, snapshot_of
from .connection import AsyncConnection
from .sandbox import AsyncSandbox


class AsyncClient:
    """A server, by URL and token, or the one that discovery finds or starts.

    ``client.create``, ``.get`` and ``.list`` are those of ``AsyncSandbox`` at this server.
    """

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        self._connection = AsyncConnection(url, token)

    @property
    def connection(self) -> AsyncConnection:
        """The connection to the server."""
        return self._connection

    @property
    def address(self) -> Address | None:
        """The server in use, None before the first request."""
        return self._connection.address

    async def create(self, template: str | None = None, **options: Any) -> AsyncSandbox:
        """Start a sandbox; takes what ``AsyncSandbox.create`` takes."""
        return await AsyncSandbox.create(template, client=self, **options)

    async def get(self, ref: str) -> AsyncSandbox:
        """Return the sandbox of an id, the unique beginning of one, or a name."""
        return await AsyncSandbox.get(ref, client=self)

    async def list(self, **filters: Any) -> builtins.list[AsyncSandbox]:
        """Return sandboxes; takes the filters of ``AsyncSandbox.list``."""
        return await AsyncSandbox.list(client=self, **filters)

    async def clean(self) -> Sequence[AsyncSandbox]:
        """End what has expired and return the sandboxes that were ended."""
        answer = await self._connection.call("POST", "clean")
        return [AsyncSandbox(data, self._connection) for data in answer.get("cleaned", [])]

    async def sql(self, query: str, *, rows: int | None = None) -> QueryResult:
        """Return the answer to a SELECT over ``sessions``, ``events``, ``execs`` and ``logs``.

        At most 10,000 ``rows`` unless said otherwise; ``.df()`` makes a DataFrame of them.
        Raises OrkeeError ``invalid_sql``, ``query_too_large``.
        """
        body = {"query": query} if rows is None else {"query": query, "rows": rows}
        return result_of(await self._connection.call("POST", "sql", body=body))

    async def snapshots(self) -> builtins.list[Snapshot]:
        """Return the workspaces that are kept under names, newest first."""
        answer = await self._connection.call("GET", "snapshots")
        return [snapshot_of(data) for data in answer.get("snapshots", [])]

    async def remove_snapshot(self, snapshot: Snapshot | str) -> None:
        """Remove a snapshot. Raises OrkeeError ``snapshot_not_found``."""
        await self._connection.call("DELETE", transport.snapshot_path(name_of(snapshot)))

    async def templates(self) -> Sequence[dict[str, Any]]:
        """Return the templates, each with name, image, description, ports and the rest."""
        return builtins.list((await self._connection.call("GET", "templates"))["templates"])

    async def template_problems(self) -> Sequence[OrkeeError]:
        """Return what is wrong with templates that cannot be used, each naming file and key."""
        answer = await self._connection.call("GET", "templates")
        return [from_problem(each, 400) for each in answer.get("problems", [])]

    async def engine(self) -> dict[str, Any]:
        """Return which engine is in use and why the others are not."""
        return dict((await self._connection.call("GET", "engine"))["engine"])

    async def aclose(self) -> None:
        """Close the connection."""
        await self._connection.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
