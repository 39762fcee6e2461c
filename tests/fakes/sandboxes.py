"""Sandboxes for tests: whole rows of which a test says only what it is about."""

from __future__ import annotations

from typing import Any

from orkee_jupyter.sandbox.model import Sandbox, Status


def make_sandbox(number: int = 1, **changes: Any) -> Sandbox:
    """Return an active sandbox; ``number`` gives its id and its time of creation."""
    fields: dict[str, Any] = {
        "id": f"{number:032x}",
        "user_id": "ada",
        "status": Status.ACTIVE,
        "template": "node",
        "image": "node:18-alpine",
        "created_at": 1_800_000_000 + number,
        "last_active_at": 1_800_000_000 + number,
        "expires_at": 1_800_003_600 + number,
    }
    return Sandbox(**{**fields, **changes})
