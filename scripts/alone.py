"""Run a command with Orkee servers of its own, and stop those and the engine it started.

``python scripts/alone.py COMMAND…``: the runtime folder is a new one, so the
command meets no server of the user's and leaves none behind.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

from orkee_jupyter.dagger.native import NativeEngine

STOP_TIMEOUT = 20.0  # seconds


def stop_servers(runtime: Path) -> None:
    """End the servers whose sockets are in the folder, and wait until they have gone."""
    pids = [
        int(match[1])
        for path in runtime.glob("orkee/server-*.sock")
        if (match := re.fullmatch(r"server-(\d+)\.sock", path.name))
    ]
    for pid in pids:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            continue
    deadline = time.monotonic() + STOP_TIMEOUT
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)


async def main(command: list[str]) -> int:
    native = NativeEngine()
    ran_before = native.installed() and (await native.status()).get("ready", False)
    with tempfile.TemporaryDirectory(prefix="orkee-") as folder:
        env = os.environ | {"XDG_RUNTIME_DIR": folder}
        env.pop("ORKEE_SOCKET", None)
        try:
            process = await asyncio.create_subprocess_exec(*command, env=env)
            return await process.wait()
        finally:
            stop_servers(Path(folder))
            # Also one that somebody else began in here: its sockets go with the folder.
            in_here = native.socket_dir.is_relative_to(folder)
            if native.installed() and (in_here or not ran_before):
                await native.stop()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
