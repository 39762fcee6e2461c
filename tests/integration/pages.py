"""A page with a dashboard, as its kernel sees it: what it says and hears on the widget's comm."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable
from typing import Any

from .kernels import Kernel

OPEN = "from orkee_jupyter import Dashboard\ndashboard = Dashboard()\ndashboard"
PUSH = 15.0  # seconds


class Page:
    """One view of a dashboard in a kernel."""

    def __init__(
        self, kernel: Kernel, view: str = "v1", comm: str = "", subshell: str = ""
    ) -> None:
        self._client = kernel._client
        self.kernel = kernel
        self.view = view
        self.subshell = subshell
        self.comm = comm or self._comm()
        self.items: list[dict[str, Any]] = []
        self.sizes: list[tuple[float, int]] = []  # of each message: when, bytes
        self.others: list[tuple[str, dict[str, Any]]] = []  # messages that are not ours
        self.parents: list[dict[str, Any]] = []
        self.numbers: list[int] = []
        self._next = 0
        self.beside: Page | None = None  # another view, which hears by this one's ear

    def _comm(self) -> str:
        ran = self.kernel.run(OPEN)
        assert ran.status == "ok", ran
        shown = ran.only("execute_result")["data"]
        self.text = shown["text/plain"]
        return str(shown["application/vnd.jupyter.widget-view+json"]["model_id"])

    def say(self, kind: str, number: int = 0, **content: Any) -> None:
        """Say something to the kernel."""
        data = {
            "method": "custom",
            "content": {"view": self.view, "kind": kind, "id": number, **content},
        }
        message = self._client.session.msg("comm_msg", {"comm_id": self.comm, "data": data})
        if self.subshell:
            message["header"]["subshell_id"] = self.subshell
        self._client.shell_channel.send(message)

    def ask(self, kind: str, **content: Any) -> int:
        """Ask for something; return the number of it."""
        self._next += 1
        self.say(kind, self._next, **content)
        return self._next

    def hear(self, ready: Callable[[], Any], limit: float = PUSH) -> Any:
        """Listen until a condition is fulfilled; return what that gave."""
        deadline = time.monotonic() + limit
        while not (found := ready()):
            left = deadline - time.monotonic()
            assert left > 0, f"nothing of it in {limit} s: {self.items[-3:]}, {self.others[-3:]}"
            try:
                message = self._client.get_iopub_msg(timeout=min(left, 0.2))
            except queue.Empty:
                continue
            for view in filter(None, (self, self.beside)):
                view._take(message)
        return found

    def _take(self, message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] != "comm_msg" or content.get("comm_id") != self.comm:
            self.others.append((message["msg_type"], content))
            return
        said = content["data"].get("content") or {}
        if said.get("view") != self.view:
            return
        self.sizes.append((time.monotonic(), len(json.dumps(said))))
        self.parents.append(message["parent_header"])
        self.numbers.append(said["n"])
        self.items += said["items"]

    def of(self, kind: str, number: int) -> list[dict[str, Any]]:
        """Return what came of a kind to a question."""
        return [each for each in self.items if each["kind"] == kind and each.get("id") == number]

    def request(self, method: str, path: str, body: Any = None, limit: float = PUSH) -> Any:
        """Return the answer to a request."""
        number = self.ask("request", method=method, path=path, body=body)
        return self.hear(lambda: self.of("answer", number), limit)[0]

    def live(self) -> int:
        """Open the live connection; return its number."""
        number = self.ask("live-open")
        self.hear(lambda: self.pushes(number, "hello"))
        return number

    def pushes(self, number: int, kind: str) -> list[dict[str, Any]]:
        """Return the server's messages of a kind."""
        said = (json.loads(each["data"]) for each in self.of("live", number))
        return [each for each in said if each["type"] == kind]

    def send(self, number: int, **message: Any) -> None:
        """Say something on the live connection."""
        self.say("live-send", number, data=json.dumps(message))
