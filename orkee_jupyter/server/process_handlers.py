"""The REST verbs for the commands that run in a sandbox: list, attach, signal."""

from __future__ import annotations

from typing import Any

from tornado import web

from ..sandbox.model import Process
from ..sandbox.requests import decode_signal
from .api_handlers import RESOURCE
from .base import OrkeeHandler, authorized
from .stream import StreamHandler
from .stream_handlers import exec_pieces, exit_json


class ProcessesHandler(OrkeeHandler):
    """``/sandbox/REF/processes``: the commands that were started in it."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self, ref: str) -> None:
        manager = await self.manager()
        found = await manager.processes(ref, self.owner)
        self.answer(processes=[process_json(each) for each in found])


class SignalHandler(OrkeeHandler):
    """``/sandbox/REF/processes/PID/signal``: signal a command's process group."""

    @web.authenticated
    @authorized("execute", resource=RESOURCE)
    async def post(self, ref: str, pid: str) -> None:
        manager = await self.manager()
        await manager.kill(ref, int(pid), decode_signal(self.json_body()), self.owner)
        self.answer()


class AttachHandler(StreamHandler):
    """``/sandbox/REF/processes/PID/attach``: a detached command's output, to its end."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self, ref: str, pid: str) -> None:
        manager = await self.manager()
        await self.stream(exec_pieces(lambda: manager.attach(ref, int(pid), self.owner), None))


def process_json(process: Process) -> dict[str, Any]:
    """Return a process as JSON; ``exit`` is null while it runs."""
    return {
        "pid": process.pid,
        "command": list(process.command),
        "kind": process.kind,
        "name": process.name,
        "started": process.started,
        "exit": None if process.exit is None else exit_json(process.exit),
    }
