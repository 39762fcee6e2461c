"""``/sql``: a SELECT over what was, as far as it is kept."""

from __future__ import annotations

import json

from tornado import web

from ..sandbox.query_requests import decode_sql
from .api_handlers import RESOURCE
from .base import authorized
from .stream import StreamHandler


class SqlHandler(StreamHandler):
    """Answers a query. It changes nothing: who may look may ask."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def post(self) -> None:
        manager = await self.manager()
        query, rows = decode_sql(self.json_body())
        answer = await self.while_connected(manager.query(query, rows, self.owner))
        notes = json.dumps(list(answer.notes), ensure_ascii=False)
        head = f'{{"success": true, "notes": {notes}, '.encode()
        self.set_header("Content-Type", "application/json")
        self.finish(head + answer.body.removeprefix(b"{"))
