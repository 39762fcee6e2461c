"""A sandbox as a row of ``sandbox_sessions``, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from ..sandbox.model import DEFAULT_TEMPLATE, DEFAULT_TTL, Limits, Problem, Sandbox, Status

#: What a sandbox has; beside them a row has its ``sequence``, which only the store knows.
COLUMNS: Final = (
    "id",
    "user_id",
    "project_id",
    "name",
    "provider",
    "container_id",
    "status",
    "reason",
    "exit_code",
    "host_url",
    "working_directory",
    "metadata",
    "created_at",
    "last_active_at",
    "expires_at",
)


def to_row(sandbox: Sandbox) -> dict[str, Any]:
    """Return the values of a row by column."""
    row = {name: getattr(sandbox, name) for name in COLUMNS if name != "metadata"}
    row["status"] = sandbox.status.value
    row["metadata"] = json.dumps(
        {
            "template": sandbox.template,
            "image": sandbox.image,
            "ports": list(sandbox.ports),
            "command": None if sandbox.command is None else list(sandbox.command),
            "env": dict(sandbox.env),
            "labels": dict(sandbox.labels),
            "ttl": sandbox.ttl,
            "on_expiry": sandbox.on_expiry,
            "link": sandbox.link,
            "limits": sandbox.limits.to_json(),
            "timeout": sandbox.timeout,
            "setup": None if sandbox.setup is None else list(sandbox.setup),
            "host_ports": {str(port): host for port, host in sandbox.host_ports.items()},
            "given_up": sandbox.given_up,
            "promised": sandbox.promised,
            "secrets": list(sandbox.secrets),
            "network": sandbox.network,
            "links": list(sandbox.links),
            "problem": None if sandbox.problem is None else sandbox.problem.to_json(),
        }
    )
    return row


def from_row(values: tuple[Any, ...]) -> Sandbox:
    """Return the sandbox of a row that has :data:`COLUMNS` in their order."""
    row = dict(zip(COLUMNS, values, strict=True))
    more: Mapping[str, Any] = json.loads(row.pop("metadata"))
    row["status"] = Status(row["status"])
    command, setup = more.get("command"), more.get("setup")
    return Sandbox(
        **row,
        template=more.get("template", DEFAULT_TEMPLATE),
        image=more.get("image", ""),
        ports=tuple(more.get("ports", ())),
        command=None if command is None else tuple(command),
        env=more.get("env", {}),
        labels=more.get("labels", {}),
        ttl=more.get("ttl", DEFAULT_TTL),
        on_expiry=more.get("on_expiry", "stop"),
        link=more.get("link"),
        limits=Limits(**more.get("limits", {})),
        timeout=more.get("timeout"),
        setup=None if setup is None else tuple(setup),
        host_ports={int(port): host for port, host in more.get("host_ports", {}).items()},
        problem=_problem(more.get("problem")),
        given_up=more.get("given_up", False),
        promised=more.get("promised", 0),
        secrets=tuple(more.get("secrets", ())),
        network=more.get("network", "full"),
        links=tuple(more.get("links", ())),
    )


def _problem(kept: Mapping[str, Any] | None) -> Problem | None:
    """Return why a sandbox failed; rows of an earlier version do not say it."""
    if not kept:
        return None
    return Problem(kept["code"], kept["detail"], kept["remedy"], tuple(kept["lines"]))
