"""A shelf of snapshots in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace as changed

from orkee_jupyter.sandbox.activity import close_iterator
from orkee_jupyter.sandbox.snapshots import Snapshot, no_snapshot, snapshot_exists, too_large


class FakeShelf:
    """A ``Shelf``; ``limit`` is in bytes of an archive."""

    def __init__(self, limit: int = 1 << 20) -> None:
        self.limit = limit
        self.kept: dict[tuple[str, str], tuple[Snapshot, bytes]] = {}

    async def list(self, owner: str) -> list[Snapshot]:
        mine = [snapshot for (of, _), (snapshot, _) in self.kept.items() if of == owner]
        return sorted(mine, key=lambda each: (each.created_at, each.name), reverse=True)

    async def get(self, owner: str, name: str) -> Snapshot:
        if (owner, name) not in self.kept:
            raise no_snapshot(name)
        return self.kept[owner, name][0]

    async def check_free(self, owner: str, name: str) -> None:
        if (owner, name) in self.kept:
            raise snapshot_exists(name)

    async def add(
        self,
        snapshot: Snapshot,
        pieces: AsyncIterator[bytes],
        *,
        replace: bool = False,
        told: Callable[[int], object] = lambda _: None,
    ) -> Snapshot:
        archive = b""
        try:
            async for piece in pieces:
                archive += piece
                if len(archive) > self.limit:
                    raise too_large(self.limit, str(self.limit))
                told(len(archive))
        finally:
            await close_iterator(pieces)
        if not replace:
            await self.check_free(snapshot.user_id, snapshot.name)
        kept = changed(snapshot, size=len(archive))
        self.kept[snapshot.user_id, snapshot.name] = kept, archive
        return kept

    async def remove(self, owner: str, name: str) -> None:
        await self.get(owner, name)
        del self.kept[owner, name]

    async def pieces(self, snapshot: Snapshot) -> AsyncIterator[bytes]:
        for kept, archive in self.kept.values():
            if kept.id == snapshot.id:
                yield archive
                return
        raise no_snapshot(snapshot.name)
