"""``input()`` and ``getpass()`` of code in a sandbox, asked by the notebook's own prompt."""

from __future__ import annotations

import builtins
import getpass
from collections.abc import Mapping
from typing import Any, Final

from .foreign import plain

_LONGEST: Final = 2000  # characters of a prompt


def takes_input(shell: Any) -> bool:
    """Say whether the front end of the running cell takes input; a runner of notebooks does not."""
    kernel = getattr(shell, "kernel", None)
    return kernel is None or bool(getattr(kernel, "_allow_stdin", True))


def ask(question: Mapping[str, Any]) -> str | None:
    """Return what the user enters for an "input" message; None at the end of input.

    What goes to the sandbox is what is entered, nothing else. A kernel has its own functions in
    the place of the two that are called here, which is how the prompt comes into the cell.
    """
    prompt = plain(str(question.get("prompt", "")))[:_LONGEST]
    try:
        return getpass.getpass(prompt) if question.get("password") else builtins.input(prompt)
    except EOFError:
        return None
