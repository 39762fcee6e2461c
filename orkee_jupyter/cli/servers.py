"""Which servers a verb speaks to. There may be two of one user, each with sandboxes of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from orkee_jupyter.sandbox.errors import OrkeeError

if TYPE_CHECKING:
    from orkee_jupyter.client import Client, Sandbox


def first() -> Client:
    """Return the client of the server that discovery finds, or starts."""
    from orkee_jupyter.client import Client

    return Client()


def others() -> list[Client]:
    """Return the clients of this user's further servers, none where a URL says which."""
    from orkee_jupyter.client import Client
    from orkee_jupyter.client.discovery import live_sockets, locate

    if os.environ.get("ORKEE_URL"):
        return []
    found = locate()
    taken = found.socket if found else None
    return [Client(f"unix://{path}") for path in live_sockets() if str(path) != taken]


def get(ref: str) -> Sandbox:
    """Return a sandbox of whichever server has it. Raises as the first server does."""
    try:
        return first().get(ref)
    except OrkeeError as error:
        if error.code != "sandbox_not_found":
            raise
        for client in others():
            try:
                return client.get(ref)
            except OrkeeError as other:
                if other.code not in ("sandbox_not_found", "server_unreachable"):
                    raise
        raise


def list_all(**filters: object) -> list[Sandbox]:
    """Return the sandboxes of all servers, newest first, each once."""
    found = {sandbox.id: sandbox for sandbox in first().list(**filters)}
    for client in others():
        try:
            for sandbox in client.list(**filters):
                found.setdefault(sandbox.id, sandbox)
        except OrkeeError as error:
            if error.code != "server_unreachable":  # it may have ended just now
                raise
    return sorted(found.values(), key=lambda sandbox: sandbox.created_at, reverse=True)
