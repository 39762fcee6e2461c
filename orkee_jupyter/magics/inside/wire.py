"""Messages between a sandbox's interpreter and the notebook: a line of JSON each."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading

# No annotation here needs more than the oldest Python that an image may have.
from typing import Any, Callable, Dict  # noqa: UP035

Message = Dict[str, Any]  # noqa: UP006


class Wire:
    """Requests from and messages to the server's side, on descriptors of their own."""

    def __init__(self) -> None:
        self._in = os.fdopen(os.dup(0), "rb")
        self._out = os.dup(1)
        self._lock = threading.Lock()
        self.requests: queue.Queue[Message] = queue.Queue()
        self.answers: queue.Queue[Message] = queue.Queue()
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)

    def tell(self, **message: Any) -> None:
        """Send a message."""
        line = json.dumps(message).encode() + b"\n"
        with self._lock:
            view = memoryview(line)
            while view:
                view = view[os.write(self._out, view) :]

    def ask(self, cell: int, number: int, prompt: str, password: bool) -> None:
        """Have the user asked; what was entered comes among the answers, with the number."""
        self.tell(type="input", cell=cell, number=number, prompt=prompt, password=password)

    def listen(self, interrupt: Callable[[], None]) -> None:
        """Take requests in a thread; interrupts and answers at once, cells in their order."""

        def run() -> None:
            for line in self._in:
                request = json.loads(line)
                if request.get("do") == "interrupt":
                    interrupt()
                elif request.get("do") == "answer":
                    self.answers.put(request)
                else:
                    self.requests.put(request)
            os._exit(0)  # the other side has gone

        threading.Thread(target=run, daemon=True).start()


def python_version() -> str:
    """Return the version of this Python."""
    return ".".join(str(part) for part in sys.version_info[:3])
