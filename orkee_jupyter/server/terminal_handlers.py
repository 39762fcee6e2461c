"""Terminals of Jupyter's own that show a shell of a sandbox."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from tornado import web

from ..sandbox.errors import OrkeeError
from ..sandbox.terminals import decode_opening
from .api_handlers import RESOURCE
from .base import OrkeeHandler, authorized

if TYPE_CHECKING:
    from ..sandbox.model import Sandbox

#: Jupyter's terminals of one sandbox.
MOST: Final = 16


class TerminalHandler(OrkeeHandler):
    """``/sandbox/REF/terminal``: one of Jupyter's terminals, with ``orkee sandbox shell`` in it."""

    @web.authenticated
    @authorized("execute", resource=RESOURCE)
    async def post(self, ref: str) -> None:
        manager = await self.manager()
        shell, new = decode_opening(self.json_body())
        sandbox = await manager.usable(ref, self.owner)
        terminals = self._terminals()
        known = [each for each in _names(sandbox, shell) if each in terminals.terminals]
        if known and not new:
            self._tell(200, known[0])
            return
        free = [each for each in _names(sandbox, shell) if each not in known]
        if not free:
            raise OrkeeError(
                "too_many_terminals",
                f"The server has {MOST} terminals with this sandbox already.",
                "Close one of them.",
            )
        # Not `orkee`, which need not be in the terminal's PATH; nor the name, which
        # may be another sandbox's by the time that the command asks for it.
        command = [sys.executable, "-m", "orkee_jupyter.cli", "sandbox", "shell", sandbox.id]
        command += ["--name", shell] if shell else ["--new"] if new else []
        terminals.create(name=free[0], shell_command=command)
        self._tell(201, free[0])

    def _terminals(self) -> Any:
        """Return Jupyter's terminal manager. Raises ``no_terminals``."""
        terminals = self.settings.get("terminal_manager")
        if terminals is None or not self.settings.get("terminals_available"):
            raise OrkeeError(
                "no_terminals",
                "This server has no terminals of its own.",
                "Run `orkee sandbox shell ID` in any terminal of this machine.",
            )
        return terminals

    def _tell(self, status: int, name: str) -> None:
        base = self.base_url.rstrip("/")
        apps = getattr(self.settings.get("serverapp"), "extension_manager", None)
        has_pages = "notebook" in getattr(apps, "extension_apps", {})
        path = f"{base}/terminals/{name}" if has_pages else f"{base}/lab"
        self.answer(status, terminal={"name": name, "path": path})


def _names(sandbox: Sandbox, shell: str | None) -> list[str]:
    """Return what Jupyter's terminals of a sandbox may be called: letters, digits and _."""
    begin = f"sandbox_{sandbox.id[:12]}"
    if shell:
        return [f"{begin}_{shell.encode().hex()}"]
    return [begin, *(f"{begin}_{number}" for number in range(2, MOST + 1))]
