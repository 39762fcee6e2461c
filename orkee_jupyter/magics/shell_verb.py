"""``%sandbox shell``: a shell of a sandbox, in JupyterLab's terminal or in IPython's own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from ..client import Sandbox
from .arguments import Arguments
from .cards import Bundle, ExitCode, Shown
from .saying import called

if TYPE_CHECKING:
    from .magics import SandboxMagics


class TerminalLink(Shown):
    """A terminal of Jupyter's that shows a shell; shows itself as a button that opens it."""

    def __init__(self, sandbox: Sandbox, terminal: Mapping[str, Any]) -> None:
        self.name = str(terminal.get("name", ""))
        self.path = str(terminal.get("path", ""))
        self._sandbox = sandbox

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Bundle:
        what = called(self._sandbox)
        by_hand = f"orkee sandbox shell {self._sandbox.short_id}"
        # JupyterLab runs the command itself, in a tab beside the notebook; elsewhere the
        # link leads to the terminal's page.
        html = (
            f'<a href="{escape(self.path)}" target="_blank" rel="noopener" '
            'data-commandlinker-command="terminal:open" '
            f'data-commandlinker-args="{escape(json.dumps({"name": self.name}))}">'
            f"Open a terminal with a shell of {escape(what)}</a>"
            f" <small>(or <code>{escape(by_hand)}</code> in any terminal)</small>"
        )
        text = f"A shell of {what} is in Jupyter's terminal {self.name}; also: {by_hand}"
        return {"text/html": html, "text/plain": text}


def shell(
    magics: SandboxMagics, arguments: Arguments, names: Mapping[str, Any]
) -> TerminalLink | ExitCode:
    """Open a shell of a sandbox, the one used last without a word."""
    sandbox = magics.find(arguments.words[0] if arguments.words else "_", names)
    name, new = arguments.one("name"), arguments.has("new")
    if magics.in_notebook:
        return TerminalLink(sandbox, sandbox.show_terminal(name, new=new))
    command = [sys.executable, "-m", "orkee_jupyter.cli", "sandbox", "shell", sandbox.id]
    command += [*(["--name", name] if name else []), *(["--new"] if new else [])]
    # A process of its own: IPython keeps its terminal's modes, and gets them back.
    return ExitCode(subprocess.run(command, check=False).returncode)
