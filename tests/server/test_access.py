"""Walks over every route: a user who may look only, another user, a stale XSRF cookie."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from jupyter_server.auth.authorizer import AllowAllAuthorizer

from orkee_jupyter.sandbox.model import CreateRequest
from tests.server.conftest import BASE, Running
from tests.server.test_auth import expected_action, live_verbs, login
from tests.server.test_live_whole import Whole, whole
from tests.server.test_whole import engine

__all__ = ["engine", "whole"]  # fixtures
pytestmark = pytest.mark.asyncio

#: What a route needs so that it gets as far as the sandbox that is meant.
BODIES: dict[str, dict[str, Any]] = {
    "/exec": {"command": ["true"]},
    "/extend": {"ttl": "1h"},
    "/wait": {"for": "port:3000"},
    "/signal": {"signal": "TERM"},
    "/snapshot": {"name": "mine"},
    "/files": {"op": "mkdir", "path": "x"},
}


def body_of(path: str) -> dict[str, Any]:
    return next((body for end, body in BODIES.items() if path.endswith(end)), {})


async def test_who_may_look_only_touches_nothing(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reads(self: Any, handler: Any, user: Any, action: str, resource: str) -> bool:
        return action == "read"

    monkeypatch.setattr(AllowAllAuthorizer, "is_authorized", reads)
    seen = set()
    async with httpx.AsyncClient(base_url=server.origin, headers=server.http.headers) as http:
        for verb, path in live_verbs(server.app.web_app):
            if path.endswith("/openapi.json"):
                continue
            action = expected_action(verb, path)
            body = {"query": "FROM execs"} if path.endswith("/sql") else None
            answer = await http.request(verb, path, json=body)
            assert (answer.status_code == 403) is (action != "read"), (verb, path)
            seen.add(action)
    assert seen == {"read", "write", "execute"}


async def test_another_users_sandbox_is_not_found_on_any_route(whole: Whole) -> None:
    theirs = await whole.manager.create(CreateRequest(name="theirs"), "somebody")
    walked = 0
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{whole.app.port}", headers=whole.http.headers
    ) as http:
        for verb, path in live_verbs(whole.app.web_app):
            if "/web" not in path:
                continue
            named = path.replace("/web", f"/{theirs.id}")
            query = "?path=x" if "/files" in path else ""
            body = body_of(path) if verb not in ("GET", "HEAD", "DELETE") else None
            answer = await http.request(verb, named + query, json=body)
            if verb == "GET" and path.endswith("/exec"):
                assert answer.status_code == 400, "a websocket: no handshake, no sandbox"
                continue
            # A wait has begun its answer when it is asked: the problem is its body.
            assert answer.status_code == (200 if path.endswith("/wait") else 404), (verb, path)
            if verb != "HEAD":
                assert answer.json()["code"].endswith("_not_found"), (verb, path, answer.text)
            walked += 1
    assert walked > 25
    assert (await whole.manager.get(theirs.id, "somebody")).status.value == "active"


async def test_a_stale_xsrf_cookie_is_refused_on_every_verb_that_changes(server: Running) -> None:
    async with login(server) as before, login(server) as browser:
        stale = {"X-XSRFToken": before.cookies["_xsrf"]}
        assert before.cookies["_xsrf"].split("|")[2] != browser.cookies["_xsrf"].split("|")[2]
        for verb, path in live_verbs(server.app.web_app):
            if verb in ("GET", "HEAD") or not path.startswith(f"{BASE}orkee/api"):
                continue
            answer = await browser.request(verb, path, headers=stale, json={})
            assert (answer.status_code, answer.json().get("code")) == (403, "forbidden"), (
                verb,
                path,
                answer.text,
            )
    assert server.manager.calls == []
