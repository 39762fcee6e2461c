"""``%sandbox pause``, ``resume`` and ``extend``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..client import Sandbox
from ..client.secret_values import secrets_of
from .arguments import Arguments
from .cards import SandboxList
from .errors import SandboxInterrupted
from .saying import called

if TYPE_CHECKING:
    from .magics import SandboxMagics


def pause(magics: SandboxMagics, arguments: Arguments, names: Mapping[str, Any]) -> SandboxList:
    """End or freeze containers, keep workspaces, and return the paused sandboxes."""
    # All are looked up first: with one wrong name none is paused.
    chosen = [magics.find(word, names) for word in arguments.words]
    freeze = arguments.has("freeze")
    return SandboxList(sandbox.pause(freeze=freeze) for sandbox in chosen)


def resume(magics: SandboxMagics, arguments: Arguments, names: Mapping[str, Any]) -> Sandbox:
    """Start a paused sandbox's container again and return the sandbox."""
    sandbox = magics.find(arguments.words[0], names)
    try:
        with magics.progress("resuming the sandbox") as progress:
            secrets = secrets_of(arguments.all("secret")) or None
            return sandbox.resume(secrets=secrets, on_progress=progress)
    except KeyboardInterrupt:
        raise SandboxInterrupted(
            f"Interrupted: {called(sandbox)} is not waited for, and goes on to be resumed."
        ) from None


def extend(magics: SandboxMagics, arguments: Arguments, names: Mapping[str, Any]) -> Sandbox:
    """Have a sandbox live longer and return it."""
    ref, time = arguments.words
    return magics.find(ref, names).extend(time)
