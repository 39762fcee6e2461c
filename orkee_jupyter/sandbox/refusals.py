"""The errors of the manager, each in one place: what it says about which sandbox."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import OrkeeError
from .model import Sandbox, Status
from .validate import show

SHORT = 12  # digits of an id that are shown


def label(sandbox: Sandbox) -> str:
    """Return what a person calls a sandbox: its name, else its short id."""
    return sandbox.name or sandbox.id[:SHORT]


def not_found(ref: object) -> OrkeeError:
    """Return the error for a reference that means no sandbox of this user."""
    return OrkeeError(
        "sandbox_not_found",
        f"There is no sandbox {show(ref)}.",
        "List those there are with `orkee sandbox list`.",
    )


def ambiguous(ref: str, rows: Sequence[Sandbox]) -> OrkeeError:
    """Return the error for a prefix of more than one id, or a name that two servers have given."""
    ids = [row.id[:SHORT] for row in rows]
    named = all(row.name == ref for row in rows)
    return OrkeeError(
        "ambiguous_id",
        f"{len(ids)} sandboxes {'are called' if named else 'begin with'} {ref!r}: "
        f"{', '.join(ids[:5])}{', …' if len(ids) > 5 else ''}.",
        "Give the id of one." if named else "Give more digits of the id.",
        details={"ids": ids},
    )


def not_active(sandbox: Sandbox, *, stopping: bool = False) -> OrkeeError:
    """Return the error for a sandbox whose state does not allow what was asked."""
    why = f" ({sandbox.reason})" if sandbox.reason else ""
    again = f"Create a new one: `orkee sandbox create {sandbox.template}`."
    state, remedy = {
        Status.CREATING: ("is still being created", "Wait until it is active."),
        Status.ACTIVE: ("is being stopped" if stopping else "is active already", again),
        Status.PAUSED: (
            "is frozen: its processes stand still"
            if sandbox.frozen
            else f"is paused{why}: it has no container",
            f"Resume it with `orkee sandbox resume {label(sandbox)}`, or end it with "
            f"`orkee sandbox stop {label(sandbox)}`.",
        ),
        Status.TERMINATED: (f"has ended{why}", again),
        Status.FAILED: (f"has failed{why}", "Mend the cause and create a new one."),
    }[sandbox.status]
    return OrkeeError(
        "sandbox_not_active",
        f"The sandbox {label(sandbox)} {state}.",
        remedy,
        details={"id": sandbox.id, "status": sandbox.status.value, "reason": sandbox.reason},
    )


def limit_exceeded(sandbox: Sandbox, reason: str) -> OrkeeError:
    """Return the error for what was under way in a sandbox that broke a limit of its own."""
    return OrkeeError(
        "limit_exceeded",
        f"The sandbox {label(sandbox)} has failed: {reason}.",
        "Create one with a higher limit, or have the program use less.",
        details={"id": sandbox.id, "reason": reason},
    )


def not_started(sandbox: Sandbox) -> OrkeeError:
    """Return the error for a sandbox whose command waits for its workspace to be filled."""
    return OrkeeError(
        "sandbox_not_active",
        f"The command of the sandbox {label(sandbox)} has not been started yet.",
        "Start it with POST …/start once its files are there.",
        details={"id": sandbox.id, "status": sandbox.status.value, "reason": None},
    )


def too_many(limit: int) -> OrkeeError:
    """Return the error for a create beyond the limit."""
    return OrkeeError(
        "too_many_sandboxes",
        f"The limit of {limit} sandboxes at once is reached.",
        "Stop one, or have the max_sandboxes setting of the server raised.",
        details={"limit": limit},
    )


def name_taken(holder: Sandbox) -> OrkeeError:
    """Return the error for a name that a sandbox of the same user holds."""
    return OrkeeError(
        "name_taken",
        f"The sandbox {holder.id[:SHORT]} ({holder.status}) has the name {holder.name!r}.",
        f"Choose another name, or stop it with `orkee sandbox stop {holder.name}`.",
        details={"id": holder.id, "status": holder.status.value},
    )


def closing() -> OrkeeError:
    """Return the error for a call that comes while the server ends."""
    return OrkeeError(
        "server_unreachable", "The Orkee server is shutting down.", "Start it and try again."
    )


def defect(sandbox: Sandbox, error: BaseException) -> OrkeeError:
    """Return the error for an exception that should have been translated below."""
    return OrkeeError(
        "internal",
        f"The sandbox {label(sandbox)} met a defect in Orkee: {type(error).__name__}: {error}.",
        "Please report it with the server's log.",
    )


def freeze_unsupported(reason: str) -> OrkeeError:
    """Return the error for an engine that can't freeze containers."""
    return OrkeeError(
        "freeze_unsupported",
        f"Containers can't be frozen here: {reason}.",
        "Pause it without freezing: its files are kept, its processes end.",
    )


def secret_missing(sandbox: Sandbox, names: Sequence[str]) -> OrkeeError:
    """Return the error for a resume without values that only an earlier server knew."""
    flags = " ".join(f"--secret {name}" for name in names)
    return OrkeeError(
        "secret_missing",
        f"The server does not know the secrets of sandbox {label(sandbox)} any more: "
        f"{', '.join(names)}.",
        f"Give them again: `orkee sandbox resume {label(sandbox)} {flags}`.",
        details={"id": sandbox.id, "names": list(names)},
    )


def unknown_secret(sandbox: Sandbox, name: str) -> OrkeeError:
    """Return the error for a secret that a sandbox was not created with."""
    has = ", ".join(sandbox.secrets) or "none"
    return OrkeeError(
        "invalid_request",
        f"The sandbox {label(sandbox)} has no secret {show(name)}.",
        f"It was created with: {has}.",
        details={"field": "secrets"},
    )


def network_policy_unsupported(reason: str) -> OrkeeError:
    """Return the error for an engine that can't keep containers from the network."""
    return OrkeeError(
        "network_policy_unsupported",
        f"Sandboxes can't be kept from the network here: {reason}.",
        "Install the native engine with `orkee engine install`, or create it without --network.",
    )


def links_unsupported(reason: str) -> OrkeeError:
    """Return the error for an engine that can't let one container reach another."""
    return OrkeeError(
        "links_unsupported",
        f"Sandboxes can't be linked here: {reason}.",
        "Install the native engine with `orkee engine install`, or create it without --link.",
    )


def linked_to_itself(name: str) -> OrkeeError:
    """Return the error for a sandbox that is to be linked to its own name."""
    return OrkeeError(
        "invalid_request",
        f"The sandbox {name!r} is to be linked to itself.",
        "It reaches itself at localhost; leave the link out.",
        details={"field": "links"},
    )


def not_linked(name: str, found: Sandbox | None) -> OrkeeError:
    """Return the error for a link to a sandbox that does not run."""
    if found is None:
        return OrkeeError(
            "sandbox_not_found",
            f"There is no sandbox {name!r} to link to.",
            f"Create it first, with --name {name}.",
            details={"name": name},
        )
    return OrkeeError(
        "sandbox_not_active",
        f"The sandbox {name!r} is {found.status} and can't be linked to.",
        f"Resume it first with `orkee sandbox resume {name}`."
        if found.status is Status.PAUSED
        else "Try again when it is active.",
        details={"id": found.id, "status": found.status.value, "reason": found.reason},
    )
