"""What a client knows of a snapshot: the last known REST object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import show_bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A workspace that is kept under a name; ``Sandbox.create(snapshot=…)`` begins with it."""

    name: str
    size: int  # bytes of its archive
    created_at: int  # seconds since 1970
    sandbox_id: str  # whose workspace it was
    sandbox_name: str | None
    template: str
    image: str
    data: Mapping[str, Any] = field(repr=False)  # the REST object itself

    def __str__(self) -> str:
        return f"{self.name} ({show_bytes(self.size)})"


def snapshot_of(data: object) -> Snapshot:
    """Return the snapshot of a REST object. Raises ``internal`` for what is none."""
    try:
        if not isinstance(data, Mapping):
            raise TypeError("it is no object")
        return Snapshot(
            name=str(data["name"]),
            size=int(data["size"]),
            created_at=int(data["created_at"]),
            sandbox_id=str(data["sandbox_id"]),
            sandbox_name=data.get("sandbox_name"),
            template=str(data["template"]),
            image=str(data["image"]),
            data=data,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise OrkeeError(
            "internal", "The server's answer about a snapshot was not understood."
        ) from error


def name_of(snapshot: Snapshot | str) -> str:
    """Return the name of a snapshot that is given by itself or by its name."""
    return snapshot if isinstance(snapshot, str) else snapshot.name
