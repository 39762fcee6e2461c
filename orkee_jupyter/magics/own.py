"""The sandboxes that cells make for themselves: one for each template, used again."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..client import OrkeeError, Sandbox
from ..client.languages import language
from .arguments import Arguments
from .saying import called, say
from .terminal import one_line

if TYPE_CHECKING:
    from .magics import SandboxMagics


def sandbox_for(
    magics: SandboxMagics, arguments: Arguments, lang: str, names: Mapping[str, Any]
) -> Sandbox:
    """Return the sandbox that a cell names, or this session's own for its language."""
    if arguments.words:
        return magics.find(arguments.words[0], names)
    template = language(lang).template
    known = magics.own.get(template)
    if known is not None:
        with contextlib.suppress(OrkeeError):  # it has ended, or its server has
            sandbox = Sandbox.get(known)
            if sandbox.status == "active":
                magics.used(sandbox)
                return sandbox
    sandbox = magics.make(template)
    magics.own[template] = sandbox.id
    say(
        f"Made {called(sandbox)} from the template {one_line(template)}; "
        f"later cells without an ID use it too. `%sandbox stop {sandbox.short_id}` ends it."
    )
    return sandbox
