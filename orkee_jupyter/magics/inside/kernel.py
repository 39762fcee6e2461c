"""A real ipykernel of the sandbox's own, spoken to in the Jupyter messaging protocol."""

from __future__ import annotations

import base64
import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

from .wire import Message, Wire, python_version

_START = 60.0  # seconds for a kernel to come up
_SETTLE = 0.05  # seconds without output, after which what was printed has come
_END_OF_INPUT = "\x04"  # what ipykernel takes for it


def unusable() -> str | None:
    """Return None where there is an ipykernel to use, "" where there is none, or what is wrong."""
    try:
        import ipykernel  # noqa: F401
        import jupyter_client  # noqa: F401
    except Exception as error:
        absent = isinstance(error, ImportError) and error.name == "ipykernel"
        return "" if absent else f"{type(error).__name__}: {error}"
    return None


class Kernel:
    """An ipykernel in a process of its own, over unix sockets."""

    def __init__(self, wire: Wire) -> None:
        from jupyter_client.blocking.client import BlockingKernelClient
        from jupyter_client.connect import write_connection_file

        self._wire = wire
        self._asked = 0  # questions so far
        self._asking = False  # one waits for its answer
        folder = tempfile.mkdtemp(prefix="orkee-")
        # Unix sockets: no port of the sandbox's is taken or shown.
        file, _ = write_connection_file(
            os.path.join(folder, "kernel.json"),  # noqa: PTH118
            transport="ipc",
            ip=os.path.join(folder, "kernel"),  # noqa: PTH118
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ipykernel_launcher", "-f", file],
            stdin=subprocess.DEVNULL,
            stdout=2,
            stderr=2,
            env={**os.environ, "JPY_PARENT_PID": str(os.getpid())},
        )
        self._client: Any = BlockingKernelClient(connection_file=file)
        self._client.load_connection_file()
        self._client.start_channels(hb=False)
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        """Return once the kernel answers and what it publishes arrives.

        The client's own wait takes a heart that is late by a second for a dead kernel, which on
        a busy machine it is not.
        """
        deadline = time.monotonic() + _START
        while time.monotonic() < deadline and self._process.poll() is None:
            self._client.kernel_info()
            with contextlib.suppress(queue.Empty):
                self._client.get_shell_msg(timeout=1.0)
                self._client.get_iopub_msg(timeout=0.2)
                while True:  # until nothing of the start is left
                    try:
                        self._client.get_iopub_msg(timeout=0.05)
                    except queue.Empty:
                        return
        self._process.kill()
        raise RuntimeError("the kernel did not come up")

    def interrupt(self) -> None:
        """Interrupt the kernel's process, and nothing that it has started."""
        self._process.send_signal(signal.SIGINT)

    def hello(self) -> None:
        """Say what this is."""
        version = "?"
        try:
            from importlib.metadata import version as version_of

            version = version_of("ipykernel")
        except Exception:  # noqa: S110  # only its number is missing then
            pass
        self._wire.tell(type="hello", kind="ipykernel", version=version, python=python_version())

    def run(self, cell: int, code: str, asks: bool) -> None:
        """Run a cell to its end; ``asks`` says whether its front end takes input."""
        request = self._client.execute(code, allow_stdin=asks)
        self._asking = False
        self._wait()
        while not self._pass_on(cell, request):
            self._pass_questions(cell, request)
            self._wait()
        self._report(cell, request)

    def _wait(self) -> None:
        """Return once there may be something to pass on; exits if the kernel has gone."""
        import zmq

        poller = zmq.Poller()
        for channel in (self._client.iopub_channel, self._client.stdin_channel):
            poller.register(channel.socket, zmq.POLLIN)
        # While a question is open, the answer is looked for as well.
        if not poller.poll(20 if self._asking else 200) and self._process.poll() is not None:
            os._exit(1)

    def _pass_on(self, cell: int, request: str, wait: float = 0.0) -> bool:
        """Pass on what the kernel has published; return whether the cell has ended."""
        while True:
            try:
                message = self._client.get_iopub_msg(timeout=wait)
            except queue.Empty:
                return False
            content = message["content"]
            own = message["parent_header"].get("msg_id") == request
            if own and content.get("execution_state") == "idle":
                return True
            self._tell(cell, message["msg_type"], content)

    def _pass_questions(self, cell: int, request: str) -> None:
        """Pass on a question of the code, or the answer to it."""
        with contextlib.suppress(queue.Empty):
            message = self._client.get_stdin_msg(timeout=0)
            if message["parent_header"].get("msg_id") == request:
                self._pass_on(cell, "", wait=_SETTLE)  # what was printed before it stands above it
                self._asked += 1
                self._asking = True
                content = message["content"]
                prompt, password = str(content["prompt"]), bool(content.get("password"))
                self._wire.ask(cell, self._asked, prompt, password)
        with contextlib.suppress(queue.Empty):
            answer = self._wire.answers.get_nowait()
            if self._asking and answer.get("number") == self._asked:
                self._asking = False
                value = answer.get("value")
                self._client.input(value if isinstance(value, str) else _END_OF_INPUT)

    def _report(self, cell: int, request: str) -> None:
        reply: Any = {}
        while reply.get("parent_header", {}).get("msg_id") != request:
            reply = self._client.get_shell_msg(timeout=_START)
        status = "ok" if reply["content"].get("status") == "ok" else "error"
        self._wire.tell(type="done", cell=cell, status=status)

    def _tell(self, cell: int, kind: str, content: Message) -> None:
        tell = self._wire.tell
        if kind == "stream":
            data = base64.b64encode(content["text"].encode("utf-8", "replace")).decode()
            tell(type="stream", cell=cell, name=content["name"], data=data)
        elif kind in ("display_data", "execute_result", "update_display_data"):
            tell(
                type="display",
                cell=cell,
                data=content["data"],
                metadata=content.get("metadata", {}),
                display_id=content.get("transient", {}).get("display_id"),
                update=kind == "update_display_data",
            )
        elif kind == "clear_output":
            tell(type="clear", cell=cell, wait=bool(content.get("wait")))
        elif kind == "error":
            error = {key: content[key] for key in ("ename", "evalue", "traceback")}
            tell(type="error", cell=cell, **error)
