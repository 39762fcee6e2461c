"""The look at the first bytes of a connection from the host."""

from __future__ import annotations

import pytest

from orkee_jupyter.sandboxd.guard import HEAD_LIMIT, MORE, PASS, absence, judge

LOGIN = "username-localhost-8888=secret"


def request(host: str | None, *headers: str, target: str = "/x?y=1") -> bytes:
    lines = [f"GET {target} HTTP/1.1", *([f"Host: {host}"] if host is not None else []), *headers]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize(
    "host",
    [
        "localhost:4000",
        "127.0.0.1:4000",
        "127.1.2.3",
        "[::1]:4000",
        "web.localhost:1",
        "LocalHost",
        None,
    ],
)
def test_a_request_to_this_machine_passes(host: str | None) -> None:
    assert judge(request(host)) == PASS


@pytest.mark.parametrize(
    "host", ["evil.example:4000", "localhost.evil.example", "127.0.0.1.evil.example", "a b", "@:1"]
)
def test_a_name_that_a_site_may_have_made_is_refused(host: str) -> None:
    answer = judge(request(host)).answer
    assert answer is not None
    assert answer.startswith(b"HTTP/1.1 421 ")


def test_of_two_hosts_none_gets_through_by_the_other() -> None:
    answer = judge(request("localhost", "Host: evil.example")).answer
    assert answer is not None


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("localhost:4000", b"http://127.0.0.1:4000/x?y=1"),
        ("127.0.0.1:4000", b"http://orkee.localhost:4000/x?y=1"),
    ],
)
def test_a_browser_with_jupyters_login_is_sent_to_a_name_without_it(
    host: str, place: bytes
) -> None:
    answer = judge(request(host, f"Cookie: a=b; {LOGIN}")).answer
    assert answer is not None
    assert answer.startswith(b"HTTP/1.1 307 ")
    assert b"Location: " + place + b"\r\n" in answer
    assert b"secret" not in answer


def test_a_login_that_is_everywhere_gets_no_further() -> None:
    for host, target in (("orkee.localhost:1", "/"), ("localhost:1", "//evil.example/")):
        answer = judge(request(host, f"Cookie: {LOGIN}", target=target)).answer
        assert answer is not None
        assert answer.startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("cookie", ["session=1", "notusername-x=1", "_xsrf=1"])
def test_other_cookies_pass(cookie: str) -> None:
    assert judge(request("localhost", f"Cookie: {cookie}")) == PASS


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01", b"*1\r\n$4\r\nPING\r\n", b"GETX", b"GET lost", b"", b"\0" * 8]
)
def test_what_is_not_http_passes_as_soon_as_that_is_plain(data: bytes) -> None:
    assert judge(data) in ((MORE,) if data in (b"", b"GET lost") else (PASS,))


def test_a_head_in_pieces_is_waited_for_but_not_for_ever() -> None:
    whole = request("evil.example")
    assert {judge(whole[:size]) for size in range(1, len(whole))} == {MORE}
    assert judge(b"GET / HTTP/1.1\r\nX: " + b"a" * HEAD_LIMIT) == PASS


@pytest.mark.parametrize("accept", ["text/html", "a/b;q=1, TEXT/HTML;q=0.9", "x/y,text/html"])
def test_a_browser_that_asks_for_a_page_is_told_of_an_absence(accept: str) -> None:
    answer = absence(request("localhost", f"Accept: {accept}"), 3000)
    assert answer is not None
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 502 ")
    assert b"Content-Length: %d\r\n" % len(body) in head
    assert b"port 3000" in body
    assert b'http-equiv="refresh"' in body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SSH-2.0-x\r\n",
        request("localhost"),
        request("localhost", "Accept: */*"),
        request("localhost", "Accept: text/htmlish"),
        request("localhost", "Accept: text/html").replace(b"GET", b"POST"),
    ],
)
def test_what_is_no_browser_is_told_nothing(data: bytes) -> None:
    assert absence(data, 3000) is None
