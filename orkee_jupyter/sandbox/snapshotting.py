"""The manager's verbs that keep workspaces, and begin sandboxes with what another one had."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from . import failpoint
from .errors import OrkeeError
from .files import FileRequest
from .model import CreateRequest, Sandbox, Template, show_bytes
from .ports import Clock, Content, FileStream, Filling, Progress
from .refusals import label
from .registry import Registry
from .snapshots import Shelf, Snapshot, template_of
from .templates import TemplateCatalogue

#: Bytes after which the progress of a snapshot is told again.
_STEP: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a sandbox is made from, and what its workspace begins with."""

    request: CreateRequest
    template: Template
    content: Content | None = None


class Snapshotting(ABC):
    """A part of the manager: snapshots and forks."""

    _shelf: Shelf
    _registry: Registry
    _clock: Clock
    _templates: TemplateCatalogue

    @abstractmethod
    async def usable(self, ref: str, owner: str) -> Sandbox:
        """Return a sandbox that commands can run in. Raises ``sandbox_not_active``."""

    @abstractmethod
    async def files(self, ref: str, request: FileRequest, owner: str) -> FileStream:
        """Begin an operation on a sandbox's files."""

    @abstractmethod
    async def _make(self, beginning: Beginning, owner: str, progress: Progress) -> Sandbox:
        """Create a sandbox."""

    async def snapshot(
        self,
        ref: str,
        name: str,
        owner: str,
        progress: Progress = lambda _: None,
        *,
        replace: bool = False,
    ) -> Snapshot:
        """Keep the files of an active sandbox's workspace under a name.

        Its programs go on meanwhile: a file that is written to just then is kept as it was
        read. The sandbox does not expire before it is done; cancelling it leaves nothing.
        Raises ``sandbox_not_active``, ``snapshot_exists``, ``archive_too_large``, ``disk_full``.
        """
        sandbox = await self.usable(ref, owner)
        if not replace:
            await self._shelf.check_free(owner, name)
        wanted = Snapshot(
            id=secrets.token_hex(16),
            name=name,
            user_id=owner,
            created_at=int(self._clock.now()),
            sandbox_id=sandbox.id,
            template=template_of(sandbox, self._templates.setup_of(sandbox)),
            sandbox_name=sandbox.name,
            project_id=sandbox.project_id,
        )
        progress(f"keeping the workspace of {label(sandbox)}")
        return await self._shelf.add(
            wanted, self._workspace(sandbox, owner)(), replace=replace, told=_teller(progress)
        )

    async def snapshots(self, owner: str) -> Sequence[Snapshot]:
        """Return an owner's snapshots, newest first."""
        return await self._shelf.list(owner)

    async def remove_snapshot(self, name: str, owner: str) -> None:
        """Remove a snapshot. Raises ``snapshot_not_found``."""
        await self._shelf.remove(owner, name)

    async def fork(
        self, ref: str, name: str | None, owner: str, progress: Progress = lambda _: None
    ) -> Sandbox:
        """Create another sandbox like an active one, with a copy of its workspace; return it.

        It has the same definition, but a name of its own, and free ports of the host. Raises
        ``sandbox_not_active`` and what ``create`` does.
        """
        sandbox = await self.usable(ref, owner)
        await failpoint.reach("fork.source")
        beginning = Beginning(
            CreateRequest(
                sandbox.template,
                name=name,
                project=sandbox.project_id,
                secrets=self._registry.secrets(sandbox.id),
            ),
            template_of(sandbox, self._templates.setup_of(sandbox)),
            Content(self._workspace(sandbox, owner), f"the workspace of {label(sandbox)}", True),
        )
        return await self._make(beginning, owner, progress)

    async def _beginning(
        self, request: CreateRequest, owner: str, filling: Filling | None
    ) -> Beginning:
        """Return what a create is to make. Raises ``unknown_template``, ``snapshot_not_found``."""
        content = None if filling is None else Content(filling)
        if request.snapshot is None:
            return Beginning(request, self._templates.get(request.template), content)
        if content is not None:
            raise OrkeeError(
                "invalid_request",
                "Both a snapshot and a project folder are given.",
                "Give one of them, and push the other's files.",
                details={"field": "project_folder"},
            )
        kept = await self._shelf.get(owner, request.snapshot)
        content = Content(lambda: self._shelf.pieces(kept), f"the snapshot {kept.name}", True)
        if request.template:
            return Beginning(request, self._templates.get(request.template), content)
        project = kept.project_id if request.project is None else request.project
        return Beginning(replace(request, project=project), kept.template, content)

    def _workspace(self, sandbox: Sandbox, owner: str) -> Filling:
        """Return what gives the archive of a workspace."""

        async def pieces() -> AsyncIterator[bytes]:
            stream = await self.files(sandbox.id, FileRequest("pull"), owner)
            try:
                while piece := await stream.read():
                    yield piece
            finally:
                await stream.close()

        return pieces


def _teller(progress: Progress) -> Callable[[int], None]:
    """Return what tells how much was kept, now and then."""
    told = 0

    def tell(size: int) -> None:
        nonlocal told
        if size - told >= _STEP:
            told = size
            progress(f"kept {show_bytes(size)}")

    return tell
