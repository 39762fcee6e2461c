"""A shell and a kernel, both real, on a stub server that speaks the REST contract."""

from __future__ import annotations

import atexit
import os
import queue
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client import BlockingKernelClient, KernelManager
from traitlets.config import Config

from orkee_jupyter.magics.magics import load, unload
from tests.client.conftest import machine, stub
from tests.client.stub_server import StubServer

__all__ = ["machine", "stub"]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def shell(stub: StubServer) -> Iterator[InteractiveShell]:
    """Give a real IPython shell with the magics loaded; ``stub`` is its server."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    # What a child class did before must not be in the way of this instance.
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance(config=config)
    load(made)
    yield made
    unload(made)
    made.atexit_operations()
    atexit.unregister(made.atexit_operations)  # once is enough
    InteractiveShell.clear_instance()


@dataclass
class Ran:
    """What a cell said: its status, its streams and its other messages, in order."""

    status: str = ""
    seconds: float = 0.0  # from the interrupt, or from the start, to idle
    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def text(self, stream: str) -> str:
        return "".join(c["text"] for t, c in self.messages if t == "stream" and c["name"] == stream)

    def only(self, kind: str) -> dict[str, Any]:
        (content,) = (content for t, content in self.messages if t == kind)
        return content


class Kernel:
    """A real ipykernel in a process of its own, and the stub server that it talks to."""

    def __init__(self, stub: StubServer, manager: KernelManager, client: BlockingKernelClient):
        self.stub = stub
        self.manager = manager
        self.client = client

    def run(self, code: str, interrupt_when: Callable[[Ran], bool] | None = None) -> Ran:
        """Run a cell to its end; interrupt it once what it said fulfils a condition."""
        ran, began, deadline = Ran(), time.monotonic(), time.monotonic() + 30
        request = self.client.execute(code)
        while time.monotonic() < deadline:
            if interrupt_when and interrupt_when(ran):
                self.manager.interrupt_kernel()
                interrupt_when, began = None, time.monotonic()
            try:
                message = self.client.get_iopub_msg(timeout=0.05)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            ran.messages.append((message["msg_type"], message["content"]))
            if message["content"].get("execution_state") == "idle":
                ran.seconds = time.monotonic() - began
                reply = self.client._recv_reply(request, timeout=5)
                ran.status = reply["content"]["status"]
                return ran
        raise AssertionError(f"the cell did not end: {ran}")


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    """Give a real kernel with the magics loaded."""
    with tempfile.TemporaryDirectory(prefix="orkee-test-") as folder:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("ORKEE_", "JPY_"))}
        for name in ("XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "IPYTHONDIR"):
            env[name] = folder
        env["PYTHONPATH"] = str(ROOT)
        sockets = Path(folder, "orkee")
        sockets.mkdir(mode=0o700)
        manager = KernelManager(kernel_name="python3", transport="ipc", ip=f"{folder}/kernel")
        with StubServer(sockets / "server-1.sock") as stub:
            manager.start_kernel(env=env)
            client = manager.client()
            client.start_channels()
            try:
                client.wait_for_ready(timeout=60)
                kernel = Kernel(stub, manager, client)
                assert kernel.run("%load_ext orkee_jupyter").status == "ok"
                yield kernel
            finally:
                client.stop_channels()
                manager.shutdown_kernel(now=True)
                manager.context.destroy(linger=0)
