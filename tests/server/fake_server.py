"""A server in a process of its own, over a stub manager: what the signal tests start.

``python -m tests.server.fake_server MODE ARGUMENT…``; what happens is written to the
file that ORKEE_TEST_REPORT names, a line each.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from jupyter_server.serverapp import ServerApp

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import ListQuery, Page
from orkee_jupyter.server import headless, wiring
from tests.server.stub import StubManager


def report(line: str) -> None:
    with Path(os.environ["ORKEE_TEST_REPORT"]).open("a") as file:
        file.write(line + "\n")


class Manager(StubManager):
    """Stops as the mode says, and has no sandbox."""

    async def list(self, query: ListQuery, owner: str) -> Page:
        return Page(())

    async def shutdown(self) -> None:
        report("stopping")
        match os.environ.get("ORKEE_TEST_STOP"):
            case "raise":
                raise RuntimeError("the stop failed")
            case "hang":
                await asyncio.Event().wait()
            case "deaf":
                await deaf()
        await asyncio.sleep(0.3)  # long enough for a second signal to come meanwhile
        report("stopped")


async def deaf() -> None:
    """Heed no cancellation for longer than a stop may take."""
    end = asyncio.get_running_loop().time() + 30
    while (left := end - asyncio.get_running_loop().time()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            report("cancelled")


async def build(options: Any, publish: Any) -> wiring.Wired:
    if os.environ.get("ORKEE_TEST_START") == "fail":
        raise OrkeeError("store_locked", "Process 5 holds the database.", "Stop it.")
    manager = Manager()
    report("ready")
    return wiring.Wired(manager, (("manager", 1.0, manager.shutdown),))  # type: ignore[arg-type]


def main(mode: str, *arguments: str) -> None:
    wiring.build = build  # type: ignore[assignment]
    if mode == "headless":
        report(f"exit {headless.serve(float(arguments[0]))}")
        return
    ServerApp.launch_instance(
        [
            "--ServerApp.port=0",
            "--ServerApp.open_browser=False",
            "--ServerApp.allow_root=True",
            "--ServerApp.jpserver_extensions=orkee_jupyter=True",
        ]
    )
    report("left")


if __name__ == "__main__":
    main(*sys.argv[1:])
