# Generated from ../_async/client.py by scripts/unasync.py. Do not edit.
"""``Client``: one server, for those who want to say which."""

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
from .connection import Connection
from .sandbox import Sandbox


class Client:
    """A server, by URL and token, or the one that discovery finds or starts.

    ``client.create``, ``.get`` and ``.list`` are those of ``Sandbox`` at this server.
    """

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        self._connection = Connection(url, token)

    @property
    def connection(self) -> Connection:
        """The connection to the server."""
        return self._connection

    @property
    def address(self) -> Address | None:
        """The server in use, None before the first request."""
        return self._connection.address

    def create(self, template: str | None = None, **options: Any) -> Sandbox:
        """Start a sandbox; takes what ``Sandbox.create`` takes."""
        return Sandbox.create(template, client=self, **options)

    def get(self, ref: str) -> Sandbox:
        """Return the sandbox of an id, the unique beginning of one, or a name."""
        return Sandbox.get(ref, client=self)

    def list(self, **filters: Any) -> builtins.list[Sandbox]:
        """Return sandboxes; takes the filters of ``Sandbox.list``."""
        return Sandbox.list(client=self, **filters)

    def clean(self) -> Sequence[Sandbox]:
        """End what has expired and return the sandboxes that were ended."""
        answer = self._connection.call("POST", "clean")
        return [Sandbox(data, self._connection) for data in answer.get("cleaned", [])]

    def sql(self, query: str, *, rows: int | None = None) -> QueryResult:
        """Return the answer to a SELECT over ``sessions``, ``events``, ``execs`` and ``logs``.

        At most 10,000 ``rows`` unless said otherwise; ``.df()`` makes a DataFrame of them.
        Raises OrkeeError ``invalid_sql``, ``query_too_large``.
        """
        body = {"query": query} if rows is None else {"query": query, "rows": rows}
        return result_of(self._connection.call("POST", "sql", body=body))

    def snapshots(self) -> builtins.list[Snapshot]:
        """Return the workspaces that are kept under names, newest first."""
        answer = self._connection.call("GET", "snapshots")
        return [snapshot_of(data) for data in answer.get("snapshots", [])]

    def remove_snapshot(self, snapshot: Snapshot | str) -> None:
        """Remove a snapshot. Raises OrkeeError ``snapshot_not_found``."""
        self._connection.call("DELETE", transport.snapshot_path(name_of(snapshot)))

    def templates(self) -> Sequence[dict[str, Any]]:
        """Return the templates, each with name, image, description, ports and the rest."""
        return builtins.list((self._connection.call("GET", "templates"))["templates"])

    def template_problems(self) -> Sequence[OrkeeError]:
        """Return what is wrong with templates that cannot be used, each naming file and key."""
        answer = self._connection.call("GET", "templates")
        return [from_problem(each, 400) for each in answer.get("problems", [])]

    def engine(self) -> dict[str, Any]:
        """Return which engine is in use and why the others are not."""
        return dict((self._connection.call("GET", "engine"))["engine"])

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
