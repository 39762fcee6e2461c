"""Ports of sandboxes over REST: links into them, and waiting until they serve."""

from __future__ import annotations

from urllib.parse import urlsplit

from tornado import web

from ..sandbox.requests import decode_port, decode_wait
from .api_handlers import RESOURCE
from .base import PROXY, OrkeeHandler, authorized
from .stream import Pieces, StreamHandler, line


class LinkHandler(OrkeeHandler):
    """``/sandbox/REF/ports/PORT/link``: a link that needs no login, for a while."""

    @web.authenticated
    @authorized("execute", resource=RESOURCE)
    async def post(self, ref: str, port: str) -> None:
        manager = await self.manager()
        self.json_body()
        number = decode_port(port)
        sandbox = await manager.get(ref, self.owner)
        known = self.context.capabilities
        text, seconds = known.issue(self.owner, self.current_user, sandbox.id, number)
        base = self.base_url.rstrip("/")
        path = f"{base}{PROXY}/{sandbox.id}/{number}/~{text}/"
        self.set_header("Cache-Control", "no-store")
        self.answer(201, path=path, url=f"{self._origin()}{path}", expires_in=seconds)

    def _origin(self) -> str:
        """Return where this machine reaches the server, without a path."""
        assert self.serverapp is not None
        parts = urlsplit(self.serverapp.local_url)
        return f"{parts.scheme}://{parts.netloc}"


class WaitHandler(StreamHandler):
    """``/sandbox/REF/wait``: answers when a port or a page of the sandbox is there."""

    @web.authenticated
    @authorized("execute", resource=RESOURCE)
    async def post(self, ref: str) -> None:
        manager = await self.manager()
        condition, seconds = decode_wait(self.json_body())

        async def pieces() -> Pieces:
            yield b""
            sandbox = await manager.wait(ref, condition, seconds, self.owner)
            yield line({"success": True, "sandbox": self.sandbox_json(manager, sandbox)})

        await self.stream(pieces())
