"""The REST verbs that keep workspaces under names, and copy them into other sandboxes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from tornado import web

from ..sandbox.snapshot_requests import decode_fork, decode_snapshot
from ..sandbox.snapshots import to_json
from .api_handlers import RESOURCE
from .base import NDJSON, OrkeeHandler, authorized
from .stream import StreamHandler, progress_pieces

if TYPE_CHECKING:
    from ..sandbox.ports import Progress


class _MakingHandler(StreamHandler):
    """A handler of what makes something, and may tell of its steps meanwhile."""

    async def make(self, call: Callable[[Progress], Awaitable[dict[str, Any]]]) -> None:
        """Answer with what a call makes; with its steps before, where they are wanted."""
        if NDJSON in self.request.headers.get("Accept", ""):
            await self.stream(progress_pieces(call))
        else:
            self.answer(201, **await self.while_connected(call(lambda _: None)))


class SnapshotHandler(_MakingHandler):
    """``/sandbox/REF/snapshot``: keep its files under a name."""

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def post(self, ref: str) -> None:
        manager = await self.manager()
        name, replace = decode_snapshot(self.json_body())

        async def snapshot(progress: Progress) -> dict[str, Any]:
            kept = await manager.snapshot(ref, name, self.owner, progress, replace=replace)
            return {"success": True, "snapshot": to_json(kept)}

        await self.make(snapshot)


class ForkHandler(_MakingHandler):
    """``/sandbox/REF/fork``: another sandbox like it, with a copy of its files."""

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def post(self, ref: str) -> None:
        manager = await self.manager()
        name = decode_fork(self.json_body())

        async def fork(progress: Progress) -> dict[str, Any]:
            sandbox = await manager.fork(ref, name, self.owner, progress)
            return {"success": True, "sandbox": self.sandbox_json(manager, sandbox)}

        await self.make(fork)


class SnapshotsHandler(OrkeeHandler):
    """``/snapshots``: what the owner has kept."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self) -> None:
        manager = await self.manager()
        kept = await manager.snapshots(self.owner)
        self.answer(snapshots=[to_json(each) for each in kept])


class KeptHandler(OrkeeHandler):
    """``/snapshots/NAME``: one of them."""

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def delete(self, name: str) -> None:
        manager = await self.manager()
        await manager.remove_snapshot(name, self.owner)
        self.answer()
