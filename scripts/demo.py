"""The main job: a real Jupyter server, a kernel of it, the quickstart notebook.

Writes the executed notebook and an HTML page to ``build/``, prints what ran and
stops all that it started. The exit code is not 0 if any cell failed.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbconvert import HTMLExporter

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "notebooks" / "quickstart.ipynb"
BUILD = ROOT / "build"
BEGAN = time.monotonic()


def say(text: str) -> None:
    print(f"[{time.monotonic() - BEGAN:5.1f} s] {text}", flush=True)


class ServerKernel(AsyncKernelManager):
    """A kernel that the Jupyter server started; nbclient talks to it, the server owns it."""

    http: httpx.AsyncClient
    has_kernel = True

    async def is_alive(self) -> bool:
        try:
            return (await self.http.get(f"api/kernels/{self.kernel_id}")).status_code == 200
        except httpx.TransportError:
            return True  # not known; a dead kernel shows at the next question

    _async_is_alive = is_alive  # what a client asks while the kernel is not ready

    async def interrupt_kernel(self) -> None:
        await self.http.post(f"api/kernels/{self.kernel_id}/interrupt")

    async def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:
        await self.http.delete(f"api/kernels/{self.kernel_id}")


def start_server(folder: Path, port: int, token: str) -> subprocess.Popen[bytes]:
    env = os.environ | {"JUPYTER_RUNTIME_DIR": str(folder), "JUPYTER_TOKEN": token}
    env.pop("ORKEE_SOCKET", None)
    command = [sys.executable, "-m", "jupyter_server", "--ServerApp.open_browser=False"]
    command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--allow-root"]
    command += [f"--ServerApp.root_dir={NOTEBOOK.parent}", "--ServerApp.log_level=WARN"]
    with (BUILD / "demo-server.log").open("wb") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd=folder
        )


async def ready(http: httpx.AsyncClient, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if (await http.get("orkee/api/sandbox")).status_code == 200:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.1)
    raise SystemExit(f"The Jupyter server did not start; see {BUILD / 'demo-server.log'}.")


async def run_notebook(http: httpx.AsyncClient, folder: Path) -> tuple[Any, str | None]:
    """Return the executed notebook and what failed, if anything."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    kernel = (await http.post("api/kernels", json={"name": "python3"})).raise_for_status().json()
    manager = ServerKernel(connection_file=str(folder / f"kernel-{kernel['id']}.json"))
    manager.http, manager.kernel_id = http, kernel["id"]
    manager.load_connection_file()

    def cell_begins(cell: Any, cell_index: int) -> None:
        if cell.cell_type == "code":
            lines = [line for line in cell.source.splitlines() if not line.startswith("#")]
            say(f"cell {cell_index}: {(lines or ['…'])[0][:80]}")

    client = NotebookClient(notebook, km=manager, timeout=300, on_cell_start=cell_begins)
    try:
        await client.async_execute(reset_kc=False, cleanup_kc=False)
    except (CellExecutionError, DeadKernelError, TimeoutError, RuntimeError) as error:
        return notebook, str(error) or type(error).__name__
    finally:
        if client.kc is not None:
            client.kc.stop_channels()
        await manager.shutdown_kernel()
    return notebook, None


def report(answer: dict[str, Any]) -> int:
    """Print what ran; return how many sandboxes still run."""
    print("\n  ID            NAME                STATUS      SECONDS  IMAGE")
    for sandbox in answer["sandboxes"]:
        seconds = sandbox["last_active_at"] - sandbox["created_at"]
        print(
            f"  {sandbox['short_id']:12}  {sandbox['name'] or '-':18}  {sandbox['status']:10}"
            f"  {seconds:7}  {sandbox['image']}"
        )
    print(flush=True)
    return sum(each["status"] in ("creating", "active") for each in answer["sandboxes"])


async def demo(folder: Path) -> int:
    BUILD.mkdir(exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    began = int(time.time())
    server = start_server(folder, port, token)
    say(f"starting a Jupyter server with the extension on port {port}")
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}/",
            headers={"Authorization": f"token {token}"},
            timeout=60,
            # A connection that the server just closed would fail the next request on it.
            limits=httpx.Limits(max_keepalive_connections=0),
        ) as http:
            await ready(http, server)
            say(f"executing {NOTEBOOK.name} with a kernel of that server")
            notebook, failure = await run_notebook(http, folder)
            listed = (await http.get("orkee/api/sandbox", params={"limit": 100})).json()
            listed["sandboxes"] = [
                each for each in listed["sandboxes"] if each["created_at"] >= began
            ]
            left = report(listed)
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        say("the server is stopped")
    nbformat.write(notebook, BUILD / "quickstart.ipynb")
    page, _ = HTMLExporter().from_notebook_node(notebook)
    (BUILD / "quickstart.html").write_text(page, encoding="utf-8")
    say("wrote build/quickstart.ipynb and build/quickstart.html")
    if failure is not None:
        print(failure, file=sys.stderr)
        return 1
    if left:
        print(f"{left} sandboxes were still running at the end.", file=sys.stderr)
        return 1
    return 0


def engine(*words: str) -> Any:
    output = subprocess.run(
        [sys.executable, "-m", "orkee_jupyter.cli", "engine", *words, "--json"],
        check=True,
        capture_output=True,
    ).stdout
    return json.loads(output)


def main() -> int:
    native = engine("status")["engine"].get("native") or {}
    ran_before = native.get("ready", False)
    with tempfile.TemporaryDirectory(prefix="orkee-demo-") as folder:
        code = asyncio.run(demo(Path(folder)))
    if not ran_before:
        engine("stop")
        say("the engine is stopped")
    return code


if __name__ == "__main__":
    sys.exit(main())
