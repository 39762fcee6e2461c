"""What a sandbox uses, over a real server: one sample, and a stream of them."""

from __future__ import annotations

import json

import pytest

from orkee_jupyter.sandbox.model import Status
from tests.server.conftest import Running
from tests.server.stub import STATS
from tests.server.test_openapi import check

pytestmark = pytest.mark.asyncio
QUICK = "/sandbox/web/stats?follow=1&interval=0.2"


async def test_a_sandbox_tells_what_it_uses(server: Running) -> None:
    answer = await server.http.get("/sandbox/web/stats")
    assert answer.json() == {"success": True, "stats": STATS.to_json()}
    assert (await server.http.get("/sandbox/web")).json()["sandbox"]["stats"] == STATS.to_json()


async def test_a_stream_has_samples_and_says_at_its_end_why(server: Running) -> None:
    found = []
    async with server.http.stream("GET", QUICK) as answer:
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        async for text in answer.aiter_lines():
            if text:
                found.append(json.loads(text))
                check("StatsLine", found[-1])
            if len(found) == 2:
                server.manager.sandbox = server.manager.sandbox.with_(
                    status=Status.FAILED, reason="memory limit 256 MiB"
                )
    assert found[0] == {"stats": STATS.to_json()}
    assert found[-1] == {"end": "memory limit 256 MiB"}


@pytest.mark.parametrize(
    "query", ["interval=0.1", "interval=x", "interval=nan", "folow=1", "interval=4000"]
)
async def test_a_query_that_cannot_be_kept_is_refused(server: Running, query: str) -> None:
    answer = await server.http.get(f"/sandbox/web/stats?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_a_sandbox_that_has_ended_has_no_stats(server: Running) -> None:
    server.manager.sandbox = server.manager.sandbox.with_(status=Status.TERMINATED)
    for query in ("", "?follow=1"):
        answer = await server.http.get(f"/sandbox/web/stats{query}")
        assert (answer.status_code, answer.json()["code"]) == (409, "sandbox_not_active")
