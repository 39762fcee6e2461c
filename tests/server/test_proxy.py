"""Pages of sandboxes through the server: who may see them, and what they may not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from orkee_jupyter.sandbox.model import Status
from tests.server import page
from tests.server.conftest import BASE, TOKEN, Running
from tests.server.stub import ID

pytestmark = pytest.mark.asyncio

PROXY = f"{BASE}orkee/proxy/{ID}/3000"
SANDBOX = "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads"


@pytest_asyncio.fixture
async def served(server: Running) -> AsyncIterator[Running]:
    """A server whose sandbox serves a page."""
    pages, port = page.serve()
    server.manager.serving = port
    page.Slow.go = asyncio.Event()
    yield server
    pages.stop()
    await pages.close_all_connections()


@pytest_asyncio.fixture
async def link(served: Running) -> str:
    """The path of a link, made over REST."""
    answer = await served.http.post("/sandbox/web/ports/3000/link")
    assert answer.status_code == 201
    path: str = answer.json()["path"]
    return path


@contextlib.asynccontextmanager
async def stranger(served: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without a login."""
    async with httpx.AsyncClient(base_url=served.origin, timeout=10) as made:
        yield made


@contextlib.asynccontextmanager
async def script(served: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A program with the token in its header."""
    headers = {"Authorization": f"token {TOKEN}"}
    async with httpx.AsyncClient(base_url=served.origin, headers=headers, timeout=10) as made:
        yield made


# -- who may ------------------------------------------------------------------


async def test_a_logged_in_browser_is_sent_to_a_link_that_works_without_the_login(
    served: Running,
) -> None:
    async with stranger(served) as browser:
        await browser.get(f"{BASE}api/me", params={"token": TOKEN})
        sent = await browser.get(f"{PROXY}/app?a=1&a=2")
        assert sent.status_code == 302
        assert f"{PROXY}/~" in sent.headers["Location"]
        assert sent.headers["Referrer-Policy"] == "no-referrer"
    async with stranger(served) as other:
        told = (await other.get(sent.headers["Location"])).json()
    assert told["uri"] == "/app?a=1&a=2"


async def test_a_token_in_the_address_becomes_a_link_and_goes_no_further(served: Running) -> None:
    async with stranger(served) as browser:
        sent = await browser.get(f"{PROXY}/app?token={TOKEN}&x=1")
        assert sent.status_code == 302
        assert TOKEN not in sent.headers["Location"]
        told = (await browser.get(sent.headers["Location"])).json()
    assert told["uri"] == "/app?x=1"


async def test_a_program_with_the_token_is_passed_on_without_it(served: Running) -> None:
    async with script(served) as program:
        told = (await program.post(f"{PROXY}/x", content=b"12345")).json()
    assert (told["method"], told["uri"], told["body"]) == ("POST", "/x", 5)
    assert "Authorization" not in told["headers"]
    assert TOKEN not in str(told)


@pytest.mark.parametrize("path", [PROXY, f"{PROXY}/~{'a' * 43}/", f"{PROXY}/~short/"])
async def test_a_stranger_without_a_link_is_refused(served: Running, path: str) -> None:
    async with stranger(served) as nobody:
        for verb in ("GET", "POST", "DELETE"):
            answer = await nobody.request(verb, path)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert served.manager.calls == []


async def test_a_link_is_for_its_own_port_and_sandbox_only(served: Running, link: str) -> None:
    capability = link.split("~")[1]
    other = f"{BASE}orkee/proxy/{'f' * 32}/3000/~{capability}"
    async with stranger(served) as nobody:
        for path in (f"{BASE}orkee/proxy/{ID}/3001/~{capability}", other):
            assert (await nobody.get(path)).status_code == 401


async def test_a_link_ends(served: Running, link: str) -> None:
    known = served.extension.context.capabilities
    known._now = lambda: float("inf")
    async with stranger(served) as nobody:
        assert (await nobody.get(link)).status_code == 401


async def test_access_ends_with_the_sandbox(served: Running, link: str) -> None:
    served.manager.sandbox = served.manager.sandbox.with_(status=Status.TERMINATED)
    async with stranger(served) as browser:
        answer = await browser.get(link)
    assert (answer.status_code, answer.json()["code"]) == (409, "sandbox_not_active")


async def test_another_sites_form_does_nothing_with_the_login(served: Running) -> None:
    async with stranger(served) as browser:
        await browser.get(f"{BASE}api/me", params={"token": TOKEN})
        await browser.get(f"{BASE}nothing")
        foreign = await browser.post(f"{PROXY}/x", headers={"Origin": "http://evil.example"})
        own = await browser.post(f"{PROXY}/x", headers={"X-XSRFToken": browser.cookies["_xsrf"]})
    assert (foreign.status_code, own.status_code) == (403, 403)
    assert "connect" not in [call[0] for call in served.manager.calls]


async def test_the_client_never_names_a_host(served: Running, link: str) -> None:
    async with stranger(served) as browser:
        told = (await browser.get(f"{link}http://evil.example/x")).json()
        assert told["uri"] == "/http://evil.example/x"
        told = (await browser.get(link, headers={"X-Forwarded-Host": "evil.example"})).json()
    assert told["headers"]["Host"] == "127.0.0.1:3000"
    assert "evil" not in str(told["headers"])
    assert [c[1:3] for c in served.manager.calls if c[0] == "connect"] == [(ID, 3000)] * 2


# -- what does not go in, and what does not come out -------------------------------


async def test_jupyters_cookies_and_login_do_not_reach_the_sandbox(
    served: Running, link: str
) -> None:
    async with stranger(served) as browser:
        await browser.get(f"{BASE}api/me", params={"token": TOKEN})
        assert len(browser.cookies) > 0
        headers = {
            "Authorization": f"Bearer {TOKEN}",
            "Referer": f"{served.origin}{link}",
            "Origin": "null",
            "X-XSRFToken": "secret",
        }
        told = (await browser.get(f"{link}?token={TOKEN}", headers=headers)).json()
    assert not {"Cookie", "Authorization", "Referer", "X-Xsrftoken"} & set(told["headers"])
    assert TOKEN not in str(told)
    assert told["headers"]["Origin"] == "http://127.0.0.1:3000"


async def test_a_pages_own_authorization_reaches_its_server(served: Running, link: str) -> None:
    async with stranger(served) as browser:
        told = (await browser.get(link, headers={"Authorization": "Basic YTpi"})).json()
    assert told["headers"]["Authorization"] == "Basic YTpi"


async def test_a_page_gets_no_right_at_the_origin(served: Running, link: str) -> None:
    async with stranger(served) as browser:
        answer = await browser.get(f"{link}hostile")
        policies = answer.headers.get_list("Content-Security-Policy")
        assert SANDBOX in policies
        assert "allow-same-origin" not in str(policies)
        assert len(browser.cookies) == 0
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    gone = ("Set-Cookie", "Clear-Site-Data", "Service-Worker-Allowed")
    assert [
        each for each in (*gone, "Access-Control-Allow-Credentials") if each in answer.headers
    ] == []


async def test_an_error_page_of_the_sandbox_is_shielded_too(served: Running) -> None:
    async with script(served) as program:
        answer = await program.get(f"{PROXY}/sent")
    assert answer.status_code == 400
    assert answer.headers["Content-Security-Policy"] == SANDBOX


async def test_a_pages_own_requests_are_allowed_by_a_preflight(served: Running, link: str) -> None:
    headers = {
        "Origin": "null",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "x-a",
    }
    async with stranger(served) as browser:
        answer = await browser.options(f"{link}x", headers=headers)
        plain = await browser.options(f"{link}x")
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Headers"] == "x-a"
    assert plain.json()["method"] == "OPTIONS"


@pytest.mark.parametrize(
    ("to", "seen"),
    [
        ("/next?a=1", "{link}next?a=1"),
        ("http://127.0.0.1:3000/next", "{link}next"),
        ("http://localhost:3000/", "{link}"),
        ("next", "next"),
        ("https://example.org/x", "https://example.org/x"),
        ("//example.org/x", "//example.org/x"),
    ],
)
async def test_a_redirect_stays_below_the_link(
    served: Running, link: str, to: str, seen: str
) -> None:
    async with stranger(served) as browser:
        answer = await browser.get(f"{link}sent", params={"to": to})
    assert (answer.status_code, answer.headers["Location"]) == (302, seen.format(link=link))


# -- streams --------------------------------------------------------------------


async def test_an_answer_comes_as_it_is_written(served: Running, link: str) -> None:
    async with stranger(served) as browser, browser.stream("GET", f"{link}slow") as answer:
        pieces = answer.aiter_bytes()
        assert await anext(pieces) == b"first"
        page.Slow.go.set()
        assert await anext(pieces) == b"last"


async def test_a_body_beyond_every_limit_is_passed_on(served: Running, link: str) -> None:
    size = 600 << 20  # more than the 512 MiB that Jupyter takes elsewhere

    async def body() -> AsyncIterator[bytes]:
        piece = bytes(4 << 20)
        for _ in range(size // len(piece)):
            yield piece

    async with stranger(served) as browser:
        answer = await browser.put(f"{link}upload", content=body(), timeout=60)
    assert answer.text == str(size)


async def test_an_answer_that_breaks_off_is_not_taken_for_whole(served: Running, link: str) -> None:
    async with stranger(served) as browser:
        with pytest.raises(httpx.RemoteProtocolError):
            await browser.get(f"{link}broken")


async def test_what_is_no_answer_is_a_problem(served: Running, link: str) -> None:
    async with stranger(served) as browser:
        answer = await browser.get(f"{link}odd")
    assert (answer.status_code, answer.json()["code"]) == (502, "link_failed")


async def test_a_port_that_nobody_serves_is_a_problem(served: Running, link: str) -> None:
    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(close, "127.0.0.1", 0) as closing:
        served.manager.serving = closing.sockets[0].getsockname()[1]
        async with stranger(served) as browser:
            answer = await browser.post(link, content=b"x")
            seen = await browser.get(link, headers={"Accept": "text/html,*/*;q=0.8"})
    assert (answer.status_code, answer.json()["code"]) == (502, "link_failed")
    assert (seen.status_code, seen.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert "Nothing answers on port 3000" in seen.text
    assert "default-src 'none'" in seen.headers["Content-Security-Policy"]


async def test_a_link_is_not_in_the_log(
    served: Running, link: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with stranger(served) as browser:
        await browser.get(f"{link}odd")
    assert "/~…/odd" in caplog.text
    assert link.split("~")[1].rstrip("/") not in caplog.text


@pytest.mark.parametrize("method", ["HEAD", "DELETE", "PATCH"])
async def test_other_verbs_pass(served: Running, link: str, method: str) -> None:
    async with stranger(served) as browser:
        answer = await browser.request(method, f"{link}x")
    assert answer.status_code == 200
    assert method == "HEAD" or answer.json()["method"] == method


async def test_a_link_without_its_slash_leads_to_the_one_with_it(
    served: Running, link: str
) -> None:
    async with stranger(served) as browser:
        answer = await browser.get(link.rstrip("/"))
    assert (answer.status_code, answer.headers["Location"]) == (307, link)


# -- websockets -------------------------------------------------------------------


async def opened(served: Running, path: str, **headers: str) -> WebSocketClientConnection:
    url = f"ws://127.0.0.1:{served.app.port}{path}echo"
    return await websocket_connect(HTTPRequest(url, headers=headers))


async def test_a_websocket_echoes_and_sees_no_cookie(served: Running, link: str) -> None:
    socket = await opened(served, link, Origin="null", Cookie="username-x=secret")
    assert await socket.read_message() == "http://127.0.0.1:3000 None"
    for message in ("hello", b"\x00\xff" * 50_000):
        await socket.write_message(message, binary=isinstance(message, bytes))
        assert await socket.read_message() == message
    socket.close()
    assert await socket.read_message() is None


async def test_a_websocket_needs_a_link_or_the_token(served: Running) -> None:
    async with stranger(served) as browser:
        await browser.get(f"{BASE}api/me", params={"token": TOKEN})
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    for headers, status in (({}, 401), ({"Cookie": cookies}, 403)):
        with pytest.raises(HTTPClientError) as caught:
            await opened(served, f"{PROXY}/", **headers)
        assert caught.value.code == status
    socket = await opened(served, f"{PROXY}/", Authorization=f"token {TOKEN}")
    assert await socket.read_message() == "None None"
    socket.close()


async def test_a_websocket_that_the_page_refuses_is_refused(served: Running, link: str) -> None:
    with pytest.raises(HTTPClientError) as caught:
        await opened(served, f"{link}hostile?")
    assert caught.value.code == 502
