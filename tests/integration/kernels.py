"""Real kernels of a real server: started through its REST interface, so that they inherit."""

from __future__ import annotations

import json
import queue
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from jupyter_client import BlockingKernelClient

from .processes import until
from .servers import Server

#: Seconds, of what is to end at once and would go on for a minute: a person presses the button
#: and waits. On a busy machine that is more than the second that it is meant to be.
SOON = 5.0
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Ran:
    """What a cell said: its status, its streams and its other messages, in order."""

    status: str = ""
    seconds: float = 0.0  # from the interrupt, or from the start, to idle
    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    questions: list[dict[str, Any]] = field(default_factory=list)

    def text(self, stream: str) -> str:
        """Return what was written to "stdout" or "stderr"."""
        return "".join(c["text"] for t, c in self.messages if t == "stream" and c["name"] == stream)

    def only(self, kind: str) -> dict[str, Any]:
        """Return the one message of a kind."""
        (content,) = (content for t, content in self.messages if t == kind)
        return content

    @property
    def error(self) -> list[str]:
        """The lines of the error, without colours."""
        return [_COLOUR.sub("", line) for line in self.only("error")["traceback"]]


class Kernel:
    """A kernel with the magics loaded, as one of a notebook."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.id = str(server.api("POST", "kernels")["id"])
        file = Path(server.env["JUPYTER_RUNTIME_DIR"]) / f"kernel-{self.id}.json"
        until(file.exists, 30, what="the kernel's connection file")
        self._client = BlockingKernelClient(connection_file=str(file))
        self._client.load_connection_file()
        # A busy machine is late with a heartbeat, which the client would take for a death.
        self._client.start_channels(hb=False)
        self._client.wait_for_ready(timeout=60)
        assert self.run("%load_ext orkee_jupyter").status == "ok"

    def interrupt(self) -> None:
        """Interrupt the running cell, as the notebook's button does."""
        self._server.api("POST", f"kernels/{self.id}/interrupt")

    def run(
        self,
        code: str,
        interrupt_when: Callable[[Ran], bool] | None = None,
        *,
        answer: str = "",
        limit: float = 60.0,
    ) -> Ran:
        """Run a cell to its end; interrupt it once what it said fulfils a condition.

        What it asks for is answered with ``answer``; ``limit`` in seconds.
        """
        ran, began, deadline = Ran(), time.monotonic(), time.monotonic() + limit
        request = self._client.execute(code)
        while time.monotonic() < deadline:
            if interrupt_when and interrupt_when(ran):
                began, interrupt_when = time.monotonic(), None
                self.interrupt()
            try:
                message = self._client.get_iopub_msg(timeout=0.05)
            except queue.Empty:
                if self._client.stdin_channel.msg_ready():
                    ran.questions.append(self._client.get_stdin_msg(timeout=1)["content"])
                    self._client.input(answer)
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            ran.messages.append((message["msg_type"], message["content"]))
            if message["content"].get("execution_state") == "idle":
                ran.seconds = time.monotonic() - began
                ran.status = self._client._recv_reply(request, timeout=5)["content"]["status"]
                return ran
        raise AssertionError(f"the cell did not end: {ran}")

    def begin(self, code: str) -> None:
        """Start a cell without waiting for anything."""
        self._client.execute(code)

    def subshell(self) -> str:
        """Return a new subshell of the kernel: JupyterLab asks for one for its comms."""
        message = self._client.session.msg("create_subshell_request", {})
        self._client.control_channel.send(message)
        reply = self._client.get_control_msg(timeout=30)
        return str(reply["content"]["subshell_id"])

    def value(self, code: str) -> Any:
        """Return what an expression evaluates to in the kernel, which prints as a literal."""
        ran = self.run(f"import json; print(json.dumps({code}))")
        assert ran.status == "ok", ran
        return json.loads(ran.text("stdout"))

    def close(self) -> None:
        """Let the kernel go; a server that still runs ends it."""
        self._client.stop_channels()
        self._client.context.destroy(linger=0)
        if self._server.process.poll() is None:
            self._server.api("DELETE", f"kernels/{self.id}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
