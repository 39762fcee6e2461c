"""The verbs of a sandbox's life over REST: what they take, and what they call."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.server.conftest import Running

pytestmark = pytest.mark.asyncio

OWNER = "local"
GIVEN = {"A": "b"}


@pytest.mark.parametrize(
    ("verb", "path", "body", "status", "call"),
    [
        ("DELETE", "?after=5", None, 202, ("stop_later", "web", 5.0, OWNER)),
        ("DELETE", "?after=0.5", None, 202, ("stop_later", "web", 0.5, OWNER)),
        ("DELETE", "", None, 200, ("stop", "web", OWNER)),
        ("POST", "/keep", None, 200, ("keep", "web", OWNER)),
        ("POST", "/pause", {}, 200, ("pause", "web", OWNER)),
        ("POST", "/pause", {"freeze": True}, 200, ("pause", "web", OWNER, "freeze")),
        ("POST", "/pause", {"freeze": None}, 200, ("pause", "web", OWNER)),
        ("POST", "/resume", None, 200, ("resume", "web", OWNER, True)),
        ("POST", "/resume", {"wait": False}, 202, ("resume", "web", OWNER, False)),
        (
            "POST",
            "/resume",
            {"secrets": {"A": "b"}},
            200,
            ("resume", "web", OWNER, True, {"A": "b"}),
        ),
        ("POST", "/extend", {"ttl": "2h"}, 200, ("extend", "web", 7200, OWNER)),
        ("POST", "/extend", {"ttl": 90}, 200, ("extend", "web", 90, OWNER)),
    ],
)
async def test_a_verb_is_one_call_of_the_manager(
    server: Running, verb: str, path: str, body: Any, status: int, call: tuple[Any, ...]
) -> None:
    answer = await server.http.request(verb, f"/sandbox/web{path}", json=body)
    assert (answer.status_code, server.manager.calls) == (status, [call])
    assert answer.json()["sandbox"]["name"] == "web"


@pytest.mark.parametrize(
    ("verb", "path", "body", "code"),
    [
        ("DELETE", "?after=0", None, "invalid_request"),
        ("DELETE", "?after=61", None, "invalid_request"),
        ("DELETE", "?after=nan", None, "invalid_request"),
        ("DELETE", "?after=soon", None, "invalid_request"),
        ("DELETE", "?after=1&after=2", None, "invalid_request"),
        ("DELETE", "?later=5", None, "invalid_request"),
        ("POST", "/extend", {}, "invalid_request"),
        ("POST", "/extend", {"ttl": "soon"}, "invalid_ttl"),
        ("POST", "/extend", {"tll": "2h"}, "invalid_request"),
        ("POST", "/resume", {"wait": "yes"}, "invalid_request"),
        ("POST", "/resume", {"wiat": True}, "invalid_request"),
        ("POST", "/resume", {"secrets": {"A": ""}}, "invalid_request"),
        ("POST", "/resume", {"secrets": ["A"]}, "invalid_request"),
        ("POST", "/pause", {"wait": True}, "invalid_request"),
        ("POST", "/pause", {"freeze": "yes"}, "invalid_request"),
        ("POST", "/keep", {"after": 1}, "invalid_request"),
    ],
)
async def test_what_is_not_meant_is_refused_before_the_manager(
    server: Running, verb: str, path: str, body: Any, code: str
) -> None:
    answer = await server.http.request(verb, f"/sandbox/web{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["remedy"]
    assert server.manager.calls == []


async def test_a_resume_can_be_followed_step_by_step(server: Running) -> None:
    answer = await server.http.post(
        "/sandbox/web/resume", headers={"Accept": "application/x-ndjson"}
    )
    lines = [json.loads(line) for line in answer.text.splitlines() if line]
    assert lines[0] == {"progress": "starting the container"}
    assert lines[-1]["sandbox"]["name"] == "web"
