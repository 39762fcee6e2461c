"""Web pages of sandboxes for those who are not on the server's machine: HTTP and websockets.

The way is manager → sandboxd → port: a client names a sandbox and a port, never a host.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Iterable
from http.client import responses
from typing import Any, Final
from urllib.parse import unquote

from tornado import web
from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.httputil import (
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPOutputError,
    RequestStartLine,
    ResponseStartLine,
    parse_response_start_line,
)
from tornado.iostream import IOStream, StreamClosedError, UnsatisfiableReadError

from ..sandbox.errors import OrkeeError
from ..sandbox.port_page import port_page, wants_page
from . import proxy_headers
from .api_handlers import RESOURCE
from .base import PROXY, OrkeeHandler, authorized
from .capability import PATTERN as CAPABILITY
from .capability import Capability

#: Bytes read from a sandbox at once, and that the head of an answer may have.
_PIECE: Final = 65_536
_HEAD: Final = 65_536
_BUFFER: Final = 1_048_576
#: No bound of ours on a body: it is never held.
_UNBOUNDED: Final = 1 << 50
_PLACE = re.compile(rf"(.*?{PROXY}/([^/]+)/(\d{{1,5}}))(?:/~({CAPABILITY})(?=/|$))?(/.*)?")
_TARGET = re.compile(r"[!-~\x80-\U0010ffff]+")
_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: Of our own page: without allow-scripts a browser would not ask again by itself.
_POLICY: Final = "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'"
_HTML: Final = "text/html; charset=utf-8"
_OWN_PAGE: Final = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
)
_BROKEN = (StreamClosedError, HTTPInputError, HTTPOutputError, UnsatisfiableReadError, ValueError)


@web.stream_request_body
class ProxyHandler(OrkeeHandler):
    """``/orkee/proxy/REF/PORT/…``: what a program in a sandbox serves.

    With Jupyter's token in the Authorization header it is passed on at once. A browser that
    is logged in is sent to a link with a capability, ``…/PORT/~CAPABILITY/…``, which needs
    no login and is all that a page in its sandbox can use.
    """

    def initialize(self) -> None:
        super().initialize()
        self._upstream: HTTP1Connection | None = None
        self._socket: IOStream | None = None
        found = _PLACE.fullmatch(self.request.path)
        assert found is not None  # the route says so
        self._base, self._ref, self._port = found[1], unquote(found[2]), int(found[3])
        self._link_text, self._rest = found[4], found[5] or ""
        self._prefix = self._base
        self._link: Capability | None = None
        if self._link_text is not None:
            self._prefix = f"{self._base}/~{self._link_text}"
            # Logs have the URI; whoever reads them must not get in with it.
            self.request.uri = (self.request.uri or "").replace(self._link_text, "…")
            self.request.path = self.request.path.replace(self._link_text, "…")
            known = self.context.capabilities
            self._link = known.check(self._link_text, self._ref, self._port)

    # -- who may -----------------------------------------------------------

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler has it
        self._transforms = []  # the page's server chooses how its answers are encoded
        if self._link is None:
            await super().prepare()
        else:
            # No cookie, token, Origin or XSRF counts here: the link is all there is.
            self._counted = True
            self.context.begin()
            self.current_user = self._jupyter_current_user = None
            if not self.check_host():
                raise web.HTTPError(403)
            self.current_user = self._jupyter_current_user = self._link.user
        if not 1 <= self._port <= 65535:
            raise OrkeeError("invalid_port", f"There is no port {self._port}.", "Give 1 to 65535.")
        if not self._finished and self.request.method not in _BODILESS:
            self._connection.set_max_body_size(_UNBOUNDED)
            await _done(self._open_with_body())  # now, so that the body need not be held

    @property
    def _connection(self) -> HTTP1Connection:
        connection = self.request.connection
        assert isinstance(connection, HTTP1Connection)
        return connection

    @property
    def _is_direct(self) -> bool:
        """Whether the request itself says who it is, in a way that no page can make it."""
        if self._link is not None:
            return True
        return bool(self.token_authenticated) and "token" not in self.request.query_arguments

    @web.authenticated
    @authorized("execute", resource=RESOURCE)
    async def _open_with_body(self) -> None:
        await self._open()

    async def _open(self) -> None:
        """Connect to the port and send the request's head. Raises OrkeeError."""
        if not self._is_direct:
            raise OrkeeError(
                "forbidden",
                "A browser's login is not enough for this request.",
                "Open the sandbox's page first, which leads to a link of its own.",
            )
        await self._connect()
        assert self._socket is not None
        limits = HTTP1ConnectionParameters(
            no_keep_alive=True,
            chunk_size=_PIECE,
            max_header_size=_HEAD,
            max_body_size=_UNBOUNDED,
        )
        self._upstream = HTTP1Connection(self._socket, True, limits)
        start = RequestStartLine(self.request.method or "GET", self._target(), "HTTP/1.1")
        headers = self._inward()
        if self.request.method in _BODILESS:
            headers.pop("Content-Length", None)
        elif "Transfer-Encoding" not in self.request.headers:
            headers.setdefault("Content-Length", "0")
        elif self.request.method == "DELETE":
            raise OrkeeError("invalid_request", "The body's length is not told.", "Tell it.")
        with contextlib.suppress(StreamClosedError):  # it is noticed when the answer is read
            await self._upstream.write_headers(start, headers)

    async def _connect(self) -> None:
        manager = await self.manager()
        owner = self._link.owner if self._link is not None else self.owner
        connection = await manager.connect(self._ref, self._port, owner)
        self._socket = IOStream(connection, max_buffer_size=_BUFFER, read_chunk_size=_PIECE)

    def _inward(self) -> HTTPHeaders:
        return proxy_headers.inward(
            self.request.headers,
            self._port,
            self._prefix,
            self._secrets,
            by_link=self._link is not None,
        )

    @property
    def _secrets(self) -> frozenset[str]:
        return frozenset({str(self.identity_provider.token)} - {""})

    def _target(self) -> str:
        query = proxy_headers.query_without(
            self.request.query, self._secrets, by_link=self._link is not None
        )
        target = (self._rest or "/") + (f"?{query}" if query else "")
        if not _TARGET.fullmatch(target):
            raise OrkeeError("invalid_request", "The path holds control characters.", "Encode it.")
        return target

    # -- verbs -------------------------------------------------------------

    @web.authenticated
    @authorized("execute", resource=RESOURCE)
    async def get(self, *_: str) -> None:
        await self._get()

    @web.authenticated
    @authorized("execute", resource=RESOURCE)
    async def head(self, *_: str) -> None:
        await self._get()

    async def _get(self) -> None:
        if not self._is_direct:
            await self._send_to_link()
        elif self._link is not None and not self._rest:
            self._begin(307, [("Location", f"{self._prefix}{self._target()}")])
            self.finish()
        elif self.request.headers.get("Upgrade", "").lower() == "websocket":
            await self._websocket()
        else:
            await self._open()
            await self._exchange()

    @web.authenticated
    @authorized("execute", resource=RESOURCE)
    async def post(self, *_: str) -> None:
        await self._exchange()

    @web.authenticated
    @authorized("execute", resource=RESOURCE)
    async def put(self, *_: str) -> None:
        await self._exchange()

    @web.authenticated
    @authorized("execute", resource=RESOURCE)
    async def patch(self, *_: str) -> None:
        await self._exchange()

    @web.authenticated
    @authorized("execute", resource=RESOURCE)
    async def delete(self, *_: str) -> None:
        await self._exchange()

    @web.authenticated
    @authorized("execute", resource=RESOURCE)
    async def options(self, *_: str) -> None:  # type: ignore[override]  # as the others
        if self._link is not None and "Access-Control-Request-Method" in self.request.headers:
            self._begin(204, proxy_headers.preflight(self.request.headers))
            await self.flush()
            self.finish()
            return
        await self._open()
        await self._exchange()

    async def _send_to_link(self) -> None:
        """Send a browser to a link with a capability."""
        if self.request.headers.get("Upgrade"):
            raise OrkeeError(
                "forbidden",
                "A browser's login is not enough for a websocket.",
                "Open the sandbox's page first, which leads to a link of its own.",
            )
        manager = await self.manager()
        sandbox = await manager.get(self._ref, self.owner)
        text, _ = self.context.capabilities.issue(
            self.owner, self.current_user, sandbox.id, self._port
        )
        place = f"{self._base.rpartition(PROXY)[0]}{PROXY}/{sandbox.id}/{self._port}/~{text}"
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")
        self.redirect(place + self._target())

    # -- HTTP --------------------------------------------------------------

    async def data_received(self, chunk: bytes) -> None:
        """Pass a piece of the body on; tornado reads the next when this is done."""
        if self._upstream is not None:
            with contextlib.suppress(StreamClosedError):
                await self._upstream.write(chunk)

    async def _exchange(self) -> None:
        """Pass the answer on. Raises OrkeeError ``link_failed`` if there is none."""
        upstream = self._upstream
        assert upstream is not None
        answer = _Answer(self)
        try:
            upstream.finish()
            await upstream.read_response(answer)
            if not answer.ended:
                raise StreamClosedError
        except _BROKEN as error:
            self._cut(error)
        finally:
            upstream.close()
        if not self._finished:
            with contextlib.suppress(StreamClosedError):
                await self.finish()

    def _cut(self, error: Exception) -> None:
        """Have the client see that an answer broke: by a problem, or where it is too late for
        that by a cut connection, since a plain end would look whole. A browser that asked for
        a page gets one, which asks again by itself. Raises OrkeeError."""
        if self._headers_written:
            self._finished = True
            with contextlib.suppress(Exception):
                self._connection.stream.close()
            self._count_end()
            return
        if wants_page(self.request.method or "", self.request.headers.get("Accept", "")):
            self._begin(502, _OWN_PAGE)
            self.finish(port_page(self._port), set_content_type=_HTML)
            return
        raise OrkeeError(
            "link_failed",
            f"Nothing in the sandbox answers on port {self._port}.",
            "Start the server inside the sandbox, and check the port it listens on.",
        ) from error

    async def answer_begins(self, start: ResponseStartLine, headers: HTTPHeaders) -> None:
        """Send the head of an answer; break it off if it is none that can be passed on."""
        by_link = self._link is not None
        try:
            kept = proxy_headers.outward(headers, self._port, self._prefix, by_link=by_link)
            self._begin(start.code, kept)
        except ValueError:
            assert self._socket is not None
            self._socket.close()
            return
        with contextlib.suppress(StreamClosedError):
            await self.flush()

    def _begin(self, code: int, headers: Iterable[tuple[str, str]]) -> None:
        if not 200 <= code <= 599:
            raise ValueError(f"an answer with the status {code}")
        self.set_status(code, responses.get(code, "Unknown"))
        for name in [name for name, _ in self._headers.get_all()]:
            self.clear_header(name)
        if hasattr(self, "_new_cookie"):
            del self._new_cookie  # Jupyter's own, which this answer has no use for
        for name, value in headers:
            self.add_header(name, value)

    def on_connection_close(self) -> None:
        """The client went away: so does its request to the sandbox."""
        super().on_connection_close()
        if self._socket is not None:
            self._socket.close()

    def on_finish(self) -> None:
        super().on_finish()
        if self._socket is not None:
            self._socket.close()

    # -- websockets --------------------------------------------------------

    async def _websocket(self) -> None:
        """Pass the handshake on, then the bytes as they are, both ways."""
        await self._connect()
        inside = self._socket
        assert inside is not None
        headers = self._inward()
        headers["Connection"], headers["Upgrade"] = "Upgrade", "websocket"
        lines = [f"GET {self._target()} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.get_all()]
        try:
            await inside.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
            head = (await inside.read_until(b"\r\n\r\n", max_bytes=_HEAD)).decode("latin-1")
            first, _, rest = head.partition("\n")
            start = parse_response_start_line(first.rstrip("\r"))
            answer = HTTPHeaders.parse(rest)
        except _BROKEN as error:
            self._cut(error)
            return
        kept = proxy_headers.outward(answer, self._port, self._prefix, by_link=True)
        if start.code != 101:
            inside.close()
            self._begin(start.code if start.code >= 300 else 502, ())
            self.finish()
            return
        browser = self.detach()
        lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket"]
        lines += [f"{name}: {value}" for name, value in kept if name.lower().startswith("sec-")]
        try:
            await _write(browser, "\r\n".join([*lines, "", ""]).encode("latin-1"))
            await _join(browser, inside)
        finally:
            self._count_end()


class _Answer(HTTPMessageDelegate):
    """Passes an answer on as it comes; the client's pace is the sandbox's."""

    def __init__(self, handler: ProxyHandler) -> None:
        self._handler = handler
        self.ended = False

    async def headers_received(self, start_line: Any, headers: HTTPHeaders) -> None:
        if start_line.code >= 200:  # else the real one follows
            await self._handler.answer_begins(start_line, headers)

    async def data_received(self, chunk: bytes) -> None:
        self._handler.write(chunk)
        with contextlib.suppress(StreamClosedError):  # by the client, who is noticed elsewhere
            await self._handler.flush()

    def finish(self) -> None:
        self.ended = True


async def _done(work: Awaitable[None] | None) -> None:
    """Await what a decorator may have answered already."""
    if work is not None:
        await work


async def _write(stream: IOStream, data: bytes) -> None:
    with contextlib.suppress(StreamClosedError):
        await stream.write(data)


async def _join(one: IOStream, other: IOStream) -> None:
    """Carry bytes both ways until either side ends; then end both."""
    tasks = {asyncio.ensure_future(_pour(one, other)), asyncio.ensure_future(_pour(other, one))}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        one.close()
        other.close()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pour(source: IOStream, sink: IOStream) -> None:
    with contextlib.suppress(StreamClosedError):
        while True:
            await sink.write(await source.read_bytes(_PIECE, partial=True))
