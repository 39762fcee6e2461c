"""``%sandbox snapshot``, ``fork`` and ``snapshots``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..client import Client, Sandbox, Snapshot, show_bytes
from .arguments import Arguments, invalid
from .cards import Shown, cells, message, table
from .errors import SandboxInterrupted
from .foreign import Bundle
from .saying import called
from .terminal import one_line

if TYPE_CHECKING:
    from .magics import SandboxMagics


class SnapshotList(Shown, list[Snapshot]):
    """Workspaces that are kept under names; shows itself as a table."""

    def __init__(self, found: Iterable[Snapshot] = (), empty: str = "No snapshots") -> None:
        super().__init__(found)
        self._empty = empty

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Bundle:
        if not self:
            return message(self._empty)
        rows = [
            [
                one_line(each.name),
                show_bytes(each.size),
                time.strftime("%Y-%m-%d %H:%M", time.localtime(each.created_at)),
                one_line(each.sandbox_name or each.sandbox_id[:12]),
                one_line(each.template),
            ]
            for each in self
        ]
        head = ("SNAPSHOT", "SIZE", "MADE", "OF", "TEMPLATE")
        return table(head, rows, [cells(row) for row in rows])


def snapshot(magics: SandboxMagics, arguments: Arguments, names: Mapping[str, Any]) -> SnapshotList:
    """Keep a sandbox's files under a name and return the snapshot, in a list that shows it."""
    ref, name = arguments.words
    sandbox = magics.find(ref, names)
    try:
        with magics.progress("keeping the files") as progress:
            kept = sandbox.snapshot(name, replace=arguments.has("replace"), on_progress=progress)
    except KeyboardInterrupt:
        raise SandboxInterrupted(
            f"Interrupted: no snapshot was kept, {called(sandbox)} goes on running."
        ) from None
    return SnapshotList([kept])


def fork(magics: SandboxMagics, arguments: Arguments, names: Mapping[str, Any]) -> Sandbox:
    """Start another sandbox like one, with a copy of its files, and return it."""
    sandbox = magics.find(arguments.words[0], names)
    try:
        with magics.progress("forking the sandbox") as progress:
            made = sandbox.fork(arguments.one("name"), on_progress=progress)
    except KeyboardInterrupt:
        raise SandboxInterrupted(
            "Interrupted: the sandbox is not waited for. `%sandbox list` shows whether it was made."
        ) from None
    magics.used(made)
    return made


def snapshots(
    magics: SandboxMagics, arguments: Arguments, names: Mapping[str, Any]
) -> SnapshotList:
    """Return the snapshots there are, or, after ``rm``, those that are left."""
    words = arguments.words
    if words and (words[0] != "rm" or len(words) == 1):
        raise invalid(
            "`snapshots` lists them; what else it takes is `rm` and names.",
            "`%sandbox snapshots rm base` removes one.",
        )
    client = Client()
    for name in words[1:]:
        client.remove_snapshot(name)
    return SnapshotList(client.snapshots())
