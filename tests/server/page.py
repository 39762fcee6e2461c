"""What a sandbox serves in the proxy's tests: it tells what it was asked, and plays tricks."""

from __future__ import annotations

import asyncio
from typing import Any

from tornado import web, websocket
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets


class Told(web.RequestHandler):
    """Answers with the request as it arrived."""

    def _tell(self) -> None:
        self.finish(
            {
                "method": self.request.method,
                "uri": self.request.uri,
                "headers": dict(self.request.headers.get_all()),
                "body": len(self.request.body),
            }
        )

    get = post = put = patch = delete = head = options = _tell


class Hostile(web.RequestHandler):
    """Tries for the rights of the origin that serves it."""

    def get(self) -> None:
        self.set_header("Set-Cookie", "_xsrf=mine; Path=/")
        self.add_header("Set-Cookie", "username-x=mine; Path=/")
        self.set_header("Clear-Site-Data", '"cookies"')
        self.set_header("Service-Worker-Allowed", "/")
        self.set_header("Content-Security-Policy", "default-src *")
        self.set_header("Access-Control-Allow-Origin", "http://evil.example")
        self.set_header("Access-Control-Allow-Credentials", "true")
        self.finish("<script>fetch('/api/kernels')</script>")


class Sent(web.RequestHandler):
    """Redirects to wherever the query says."""

    def get(self) -> None:
        self.set_status(302)
        self.set_header("Location", self.get_query_argument("to"))


class Slow(web.RequestHandler):
    """Sends a first piece, then waits for the test."""

    go = asyncio.Event()

    async def get(self) -> None:
        self.write("first")
        await self.flush()
        await self.go.wait()
        self.write("last")


class Broken(web.RequestHandler):
    """Breaks off in the middle of its answer."""

    async def get(self) -> None:
        self.set_header("Content-Length", "1000")
        self.write("half")
        await self.flush()
        self.request.connection.stream.close()  # type: ignore[union-attr]


class Odd(web.RequestHandler):
    """Answers what is no HTTP."""

    def get(self) -> None:
        stream = self.detach()
        stream.write(b"HTTP/1.1 200 \x01\r\nBad Header\x00: x\r\n\r\n")
        stream.close()


class Echo(websocket.WebSocketHandler):
    """Sends back what it hears, and first with which Origin and Cookie it was opened."""

    def open(self, *_: str, **__: str) -> None:
        headers = self.request.headers
        self.write_message(f"{headers.get('Origin')} {headers.get('Cookie')}")

    def on_message(self, message: str | bytes) -> None:
        self.write_message(message, binary=isinstance(message, bytes))


@web.stream_request_body
class Upload(web.RequestHandler):
    """Counts a body of any length as it comes."""

    def prepare(self) -> None:
        self.size = 0
        connection: Any = self.request.connection
        connection.set_max_body_size(1 << 40)

    def data_received(self, chunk: bytes) -> None:
        self.size += len(chunk)

    def put(self) -> None:
        self.finish(str(self.size))


def serve() -> tuple[HTTPServer, int]:
    """Return a running server and its port."""
    routes: list[Any] = [
        ("/hostile", Hostile),
        ("/sent", Sent),
        ("/slow", Slow),
        ("/broken", Broken),
        ("/odd", Odd),
        ("/echo", Echo),
        ("/upload", Upload),
        ("/.*", Told),
    ]
    [listener] = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(web.Application(routes))
    server.add_sockets([listener])
    return server, listener.getsockname()[1]
