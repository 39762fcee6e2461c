"""The REST verbs of a sandbox's life: pause, resume, more time, and a stop taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tornado import web

from ..sandbox.lifecycle_requests import (
    decode_extend,
    decode_nothing,
    decode_pause,
    decode_resume,
)
from .api_handlers import RESOURCE
from .base import NDJSON, OrkeeHandler, authorized
from .stream import StreamHandler, progress_pieces

if TYPE_CHECKING:
    from ..sandbox.ports import Progress


class PauseHandler(OrkeeHandler):
    """``/sandbox/REF/pause``: end the container, keep the workspace; or freeze it."""

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def post(self, ref: str) -> None:
        manager = await self.manager()
        freeze = decode_pause(self.json_body())
        sandbox = await manager.pause(ref, self.owner, freeze=freeze)
        self.answer(sandbox=self.sandbox_json(manager, sandbox))


class ResumeHandler(StreamHandler):
    """``/sandbox/REF/resume``: start a paused sandbox's container again."""

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def post(self, ref: str) -> None:
        manager = await self.manager()
        wait, secrets = decode_resume(self.json_body())

        async def resume(progress: Progress = lambda _: None) -> dict[str, Any]:
            sandbox = await manager.resume(ref, self.owner, progress, wait=wait, secrets=secrets)
            return {"success": True, "sandbox": self.sandbox_json(manager, sandbox)}

        if wait and NDJSON in self.request.headers.get("Accept", ""):
            await self.stream(progress_pieces(resume))
        else:
            self.answer(200 if wait else 202, **await self.while_connected(resume()))


class ExtendHandler(OrkeeHandler):
    """``/sandbox/REF/extend``: have it live longer, used or not."""

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def post(self, ref: str) -> None:
        manager = await self.manager()
        sandbox = await manager.extend(ref, decode_extend(self.json_body()), self.owner)
        self.answer(sandbox=self.sandbox_json(manager, sandbox))


class KeepHandler(OrkeeHandler):
    """``/sandbox/REF/keep``: take back a stop that is still to come."""

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def post(self, ref: str) -> None:
        manager = await self.manager()
        decode_nothing(self.json_body())
        sandbox = await manager.keep(ref, self.owner)
        self.answer(sandbox=self.sandbox_json(manager, sandbox))
