"""Who may do what: every verb of the live route table, on both ways in."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import httpx
import pytest
from jupyter_server.auth.authorizer import AllowAllAuthorizer
from jupyter_server.auth.identity import IdentityProvider, User
from tornado import web
from tornado.routing import Rule

from orkee_jupyter.server.base import OrkeeHandler
from orkee_jupyter.server.context import ServerContext
from tests.server.conftest import BASE, TOKEN, Running

pytestmark = pytest.mark.asyncio


PROXIED = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def live_rules(rules: Iterable[Rule]) -> Iterator[Rule]:
    """The rules of ours, however deep a router has them."""
    for rule in rules:
        if isinstance(rule.target, type) and issubclass(rule.target, OrkeeHandler):
            yield rule
        yield from live_rules(getattr(rule.target, "rules", ()))


def live_verbs(app: web.Application) -> Iterator[tuple[str, str]]:
    """Every verb and path of ours that a running application routes."""
    for rule in live_rules(app.default_router.rules):
        pattern = rule.matcher.regex.pattern
        path = pattern.replace("([^/]+)", "web").replace("\\.", ".").removesuffix("$")
        path = path.replace("(\\d{1,5})", "3000").removesuffix("(/.*)?")
        path = path.replace("([0-9]{1,9})", "7")
        for verb in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            method = getattr(rule.target, verb.lower())
            if method is not web.RequestHandler._unimplemented_method:
                yield verb, path


def expected_action(verb: str, path: str) -> str:
    if (
        path.endswith(("/start", "/exec", "/signal", "/link", "/wait", "/terminal"))
        or "/orkee/proxy/" in path
    ):
        return "execute"
    return "read" if verb == "GET" or path.endswith("/sql") else "write"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Have every authorization denied; gives what was asked for."""
    asked: list[tuple[str, str]] = []

    def deny(self: Any, handler: Any, user: Any, action: str, resource: str) -> bool:
        asked.append((action, resource))
        return False

    monkeypatch.setattr(AllowAllAuthorizer, "is_authorized", deny)
    return asked


async def test_the_walk_sees_every_verb(server: Running) -> None:
    verbs = {
        (verb, path.removeprefix(f"{BASE}orkee/api"))
        for verb, path in live_verbs(server.app.web_app)
    }
    assert verbs == {
        ("GET", "/sandbox"),
        ("POST", "/sandbox"),
        ("POST", "/sandbox/web/terminal"),
        ("GET", "/sandbox/web"),
        ("DELETE", "/sandbox/web"),
        ("GET", "/sandbox/web/stats"),
        ("GET", "/sandbox/web/logs"),
        ("POST", "/sandbox/web/exec"),
        ("GET", "/sandbox/web/exec"),
        ("GET", "/sandbox/web/processes"),
        ("GET", "/sandbox/web/processes/7/attach"),
        ("POST", "/sandbox/web/processes/7/signal"),
        ("POST", "/sandbox/web/ports/3000/link"),
        ("POST", "/sandbox/web/wait"),
        *((verb, f"{BASE}orkee/proxy/web/3000") for verb in PROXIED),
        ("GET", "/sandbox/web/events"),
        ("GET", "/live"),
        ("POST", "/clean"),
        ("GET", "/templates"),
        ("POST", "/sandbox/web/start"),
        *(("POST", f"/sandbox/web/{verb}") for verb in ("pause", "resume", "extend", "keep")),
        *(("POST", f"/sandbox/web/{verb}") for verb in ("snapshot", "fork")),
        ("GET", "/snapshots"),
        ("DELETE", "/snapshots/web"),
        ("POST", "/sql"),
        *((verb, "/sandbox/web/files") for verb in ("GET", "POST", "DELETE")),
        *((verb, "/sandbox/web/files/content") for verb in ("GET", "PUT")),
        *((verb, "/sandbox/web/files/archive") for verb in ("GET", "PUT")),
        ("GET", "/sandbox/web/files/watch"),
        ("GET", "/engine"),
        ("GET", "/engine/cache"),
        ("POST", "/engine/cache/clean"),
        ("POST", "/engine/install"),
        ("GET", "/openapi.json"),
    }


@pytest.mark.parametrize("headers", [{}, {"Authorization": "token wrong"}])
async def test_every_verb_refuses_a_stranger(server: Running, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=server.origin, headers=headers) as stranger:
        for verb, path in live_verbs(server.app.web_app):
            answer = await stranger.request(verb, path)
            code = answer.json()["code"] if verb != "HEAD" else "unauthenticated"
            # Without XSRF cookie a stranger's POST ends even before the question who it is.
            assert (answer.status_code, code) == (401, "unauthenticated"), (verb, path)
    assert server.manager.calls == []


@pytest.mark.parametrize("way", ["http", "unix"])
async def test_every_verb_asks_the_authorizer_for_its_own_action(
    server: Running, asked: list[tuple[str, str]], way: str
) -> None:
    client = getattr(server, way)
    for verb, path in live_verbs(server.app.web_app):
        url = path.removeprefix(f"{BASE}orkee/api")
        if url == path:  # the proxy is beside the interface
            url = path.replace(BASE, "../../")
        answer = await client.request(verb, url)
        code = answer.json()["code"] if verb != "HEAD" else "forbidden"
        assert (answer.status_code, code) == (403, "forbidden"), (verb, path)
        assert asked.pop() == (expected_action(verb, path), "orkee")
    assert server.manager.calls == []


@contextlib.asynccontextmanager
async def login(server: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A browser: it has the login cookie and no token."""
    async with httpx.AsyncClient(base_url=server.origin) as browser:
        await browser.get(f"{BASE}api/me", params={"token": TOKEN})
        await browser.get(f"{BASE}nothing")  # any page with a form sets the XSRF cookie
        yield browser


async def test_a_cookie_needs_the_xsrf_header(server: Running) -> None:
    async with login(server) as browser:
        url = f"{BASE}orkee/api/sandbox"
        without = await browser.post(url, json={})
        header = {"X-XSRFToken": browser.cookies["_xsrf"]}
        with_header = await browser.post(url, json={}, headers=header)
    assert (without.status_code, without.json()["code"]) == (403, "forbidden")
    assert with_header.status_code == 201


async def test_a_page_of_another_origin_is_refused(server: Running) -> None:
    async with login(server) as browser:
        header = {
            "X-XSRFToken": browser.cookies["_xsrf"],
            "Origin": f"http://127.0.0.1:{server.app.port + 1}",
        }
        for verb, path in live_verbs(server.app.web_app):
            answer = await browser.request(verb, path, headers=header)
            code = answer.json()["code"] if verb != "HEAD" else "forbidden"
            assert (answer.status_code, code) == (403, "forbidden"), path
    assert server.manager.calls == []


class HubIdentity(IdentityProvider):
    """Stands for a provider that knows real users."""


async def test_without_real_users_there_is_one_owner() -> None:
    context = ServerContext()
    owners = {context.owner(IdentityProvider(), User(username=name)) for name in ("a", "b")}
    assert owners == {"local"}


async def test_a_hubs_users_own_what_is_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_USER", "ada")
    context = ServerContext()
    assert context.owner(HubIdentity(), User(username="bob")) == "bob"
    assert context.owner(IdentityProvider(), User(username="random")) == "ada"


async def test_another_users_sandbox_is_not_found(server: Running) -> None:
    server.manager.sandbox = server.manager.sandbox.with_(user_id="somebody")
    answer = await server.http.get("/sandbox/web")
    assert (answer.status_code, answer.json()["code"]) == (404, "sandbox_not_found")
