"""``%sandbox wait``: until a sandbox does what it is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..client import Sandbox
from . import values
from .arguments import Arguments
from .errors import SandboxInterrupted
from .saying import called

if TYPE_CHECKING:
    from .magics import SandboxMagics


def wait(magics: SandboxMagics, arguments: Arguments, names: Mapping[str, Any]) -> Sandbox:
    """Wait for a condition and return the sandbox."""
    ref, condition = arguments.words
    seconds = values.seconds("--timeout", arguments.one("timeout")) or 60.0
    sandbox = magics.find(ref, names)
    try:
        return sandbox.wait_for(condition, seconds)
    except KeyboardInterrupt:
        raise SandboxInterrupted(
            f"Interrupted: {called(sandbox)} is not waited for, and goes on running."
        ) from None
