"""Workspaces that are kept under a name: what is known of one, and where they are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from .errors import OrkeeError
from .model import Limits, Sandbox, Template
from .network import parse_links, parse_network
from .validate import show

#: Of what :func:`encode` returns; another one is not read.
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A workspace that is kept, and the definition of the sandbox that it was of."""

    id: str  # 32 hex digits; a name that is taken again has another one
    name: str
    user_id: str
    created_at: int  # seconds since 1970
    sandbox_id: str
    template: Template  # a sandbox's whole definition, its own template's values or not
    size: int = 0  # bytes of its archive
    sandbox_name: str | None = None
    project_id: str | None = None


class Shelf(Protocol):
    """Keeps snapshots. Each is there whole, or not at all, whatever happens.

    Raises OrkeeError ``disk_full``, ``snapshot_failed``, and for a name that is none of this
    owner's ``snapshot_not_found``.
    """

    async def list(self, owner: str) -> Sequence[Snapshot]:
        """Return the snapshots of an owner, newest first; damaged ones are left out."""

    async def get(self, owner: str, name: str) -> Snapshot: ...
    async def check_free(self, owner: str, name: str) -> None:
        """Raise ``snapshot_exists`` if there is one of that name."""

    async def add(
        self,
        snapshot: Snapshot,
        pieces: AsyncIterator[bytes],
        *,
        replace: bool = False,
        told: Callable[[int], object] = lambda _: None,
    ) -> Snapshot:
        """Keep an archive and return its snapshot, which then has its size.

        ``told`` is called with the bytes so far. Raises ``snapshot_exists``, unless it may
        replace one, ``archive_too_large``, and what ``pieces`` raises.
        """

    async def remove(self, owner: str, name: str) -> None:
        """Remove a snapshot. Who reads it just now reads it to its end."""

    def pieces(self, snapshot: Snapshot) -> AsyncIterator[bytes]:
        """Yield the archive of a snapshot."""


def template_of(sandbox: Sandbox, setup: tuple[str, ...]) -> Template:
    """Return what a sandbox was made from as a template, to make another one like it.

    Ports of the host that were wanted are left out: two sandboxes cannot have them.
    """
    return Template(
        name=sandbox.template,
        image=sandbox.image,
        setup=setup,
        env=sandbox.env,
        ports=sandbox.ports,
        command=sandbox.command,
        working_directory=sandbox.working_directory,
        ttl=sandbox.ttl,
        on_expiry=sandbox.on_expiry,
        network=sandbox.network,
        links=sandbox.links,
        labels=sandbox.labels,
        limits=sandbox.limits,
        timeout=sandbox.timeout,
        source="snapshot",
    )


def to_json(snapshot: Snapshot) -> dict[str, Any]:
    """Return the REST ``snapshot`` object. Of the environment it shows the names only."""
    of = snapshot.template
    return {
        "name": snapshot.name,
        "created_at": snapshot.created_at,
        "size": snapshot.size,
        "sandbox_id": snapshot.sandbox_id,
        "sandbox_name": snapshot.sandbox_name,
        "project_id": snapshot.project_id,
        "template": of.name,
        "image": of.image,
        "working_directory": of.working_directory,
        "command": None if of.command is None else list(of.command),
        "ports": list(of.ports),
        "env": sorted(of.env),
        "labels": dict(of.labels),
    }


def encode(snapshot: Snapshot) -> dict[str, Any]:
    """Return all of a snapshot but its files as JSON, for its owner's eyes only."""
    of = snapshot.template
    return {
        "format": FORMAT,
        "id": snapshot.id,
        "name": snapshot.name,
        "user_id": snapshot.user_id,
        "created_at": snapshot.created_at,
        "size": snapshot.size,
        "sandbox_id": snapshot.sandbox_id,
        "sandbox_name": snapshot.sandbox_name,
        "project_id": snapshot.project_id,
        "definition": {
            "template": of.name,
            "image": of.image,
            "setup": list(of.setup),
            "env": dict(of.env),
            "ports": list(of.ports),
            "command": None if of.command is None else list(of.command),
            "working_directory": of.working_directory,
            "ttl": of.ttl,
            "on_expiry": of.on_expiry,
            "network": of.network,
            "links": list(of.links),
            "labels": dict(of.labels),
            "limits": of.limits.to_json(),
            "timeout": of.timeout,
        },
    }


def decode(kept: Mapping[str, Any]) -> Snapshot:
    """Return the snapshot of what :func:`encode` made. Raises ValueError for anything else."""
    try:
        if kept["format"] != FORMAT:
            raise ValueError("it is of another format")
        of = dict(kept["definition"])
        command = of["command"]
        template = Template(
            name=str(of["template"]),
            image=str(of["image"]),
            setup=tuple(of["setup"]),
            env=dict(of["env"]),
            ports=tuple(of["ports"]),
            command=None if command is None else tuple(command),
            working_directory=str(of["working_directory"]),
            ttl=int(of["ttl"]),
            on_expiry=str(of["on_expiry"]),
            network=parse_network(of.get("network", "full")),
            links=parse_links(of.get("links", ())),
            labels=dict(of["labels"]),
            limits=Limits(**of["limits"]),
            timeout=of["timeout"],
            source="snapshot",
        )
        members = ("id", "name", "user_id", "created_at", "size", "sandbox_id")
        names = {key: kept[key] for key in (*members, "sandbox_name", "project_id")}
        return Snapshot(template=template, **names)
    except (KeyError, TypeError) as error:
        raise ValueError("it is no description of a snapshot") from error


def no_snapshot(name: object) -> OrkeeError:
    """Return the error for a name that means no snapshot of this user."""
    return OrkeeError(
        "snapshot_not_found",
        f"There is no snapshot {show(name)}.",
        "List those there are with `orkee sandbox snapshots`.",
    )


def snapshot_exists(name: str) -> OrkeeError:
    """Return the error for a name that is another snapshot's."""
    return OrkeeError(
        "snapshot_exists",
        f"There is already a snapshot {name!r}.",
        "Choose another name, ask for it to be replaced, or remove it with "
        f"`orkee sandbox snapshots rm {name}`.",
        details={"name": name},
    )


def too_large(limit: int, shown: str) -> OrkeeError:
    """Return the error for a workspace that is larger than a snapshot may be."""
    return OrkeeError(
        "archive_too_large",
        f"The workspace takes more than the {shown} that a snapshot may have.",
        "Remove what can be made again, or have the max_snapshot_size setting of the server "
        "raised.",
        details={"limit": limit},
    )
