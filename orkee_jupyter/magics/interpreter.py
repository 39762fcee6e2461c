"""The one interpreter of a sandbox, from this side: started once, then a cell at a time."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from ..client import OrkeeError, Process, Sandbox
from .terminal import one_line

KERNEL: Final = "ipykernel"
#: Seconds for an interpreter to say hello; a kernel on a busy machine takes long.
START: Final = 60.0
#: Bytes of one message; a picture is at most 8 MiB.
_LONGEST: Final = 64 << 20
_PROGRAMS: Final = ("python3", "python")
#: The modules of ``inside``, each behind those that it imports.
_MODULES: Final = ("wire", "output", "bundles", "questions", "builtin", "kernel", "bridge")
_LOADER: Final = """\
# %%sandbox python
import sys, types
package = sys.modules["_orkee"] = types.ModuleType("_orkee")
package.__path__ = []
for name, text in {texts!r}.items():
    module = sys.modules["_orkee." + name] = types.ModuleType("_orkee." + name)
    module.__file__ = "<orkee>/" + name + ".py"
    module.__package__ = "_orkee"
    exec(compile(text, module.__file__, "exec"), module.__dict__)
module.main()
"""

#: Takes each message of a cell, as :mod:`orkee_jupyter.magics.inside` says it.
Show = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """What runs: a real ipykernel or the built-in interpreter, and the versions."""

    name: str
    python: str
    version: str = ""
    why: str = ""  # what is wrong with an ipykernel that is there

    def __str__(self) -> str:
        if self.name == KERNEL:
            return f"ipykernel {self.version} in the sandbox (Python {self.python})"
        if self.why:
            return (
                f"built-in interpreter (Python {self.python}), because ipykernel in the sandbox "
                f"cannot be used ({self.why})"
            )
        return (
            f"built-in interpreter (Python {self.python}), because the image has no ipykernel; "
            "`%%sandbox python --install-kernel` installs one, for IPython's magics and `!` "
            "commands"
        )


class Interpreter:
    """An interpreter that runs in a sandbox. It ends with this process or the sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Start it; raises ``command_not_found`` where the sandbox has no Python."""
        self._partial = bytearray()
        self._lines: deque[bytes] = deque()
        self._stderr = bytearray()
        self._cell = 0
        self._process = _start(sandbox)
        try:
            self.kind = self._hello()
        except BaseException:
            self.close()
            raise

    @property
    def cell(self) -> int:
        """The number of the cell that ran last."""
        return self._cell

    def close(self) -> None:
        """End it."""
        self._process.close()

    def begin(self, code: str, *, takes_input: bool = False) -> None:
        """Have a cell run; :meth:`follow` gives what it says.

        Where the front end ``takes_input``, that may be questions, each to be answered.
        """
        self._cell += 1
        self._ask({"do": "run", "cell": self._cell, "code": code, "input": takes_input})

    def answer(self, question: Mapping[str, Any], value: str | None) -> None:
        """Answer an "input" message with what the user entered; None ends the input."""
        self._ask({"do": "answer", "number": question.get("number"), "value": value})

    def follow(self, show: Show, deadline: float | None = None) -> bool:
        """Show what the running cell says until it has ended; return whether it went well.

        Raises TimeoutError at the deadline, a monotonic time; after that or an interrupt it
        can be called again. Raises ``sandbox_lost`` or ``command_failed`` if it has gone.
        """
        while True:
            message = self._message(deadline)
            if message.get("cell") != self._cell:
                continue  # of a thread that an earlier cell left behind
            if message.get("type") == "done":
                return message.get("status") == "ok"
            show(message)

    def interrupt(self) -> None:
        """Send SIGINT to the interpreter, not to what it has started."""
        self._ask({"do": "interrupt"})

    def kill(self) -> None:
        """Kill it and all that it has started."""
        with contextlib.suppress(OrkeeError):
            self._process.kill()
        self._process.close()

    def _ask(self, request: Mapping[str, Any]) -> None:
        self._process.write(json.dumps(request) + "\n")

    def _hello(self) -> Kind:
        message = self._message(time.monotonic() + START)
        if message.get("type") != "hello":
            raise self._ended("It did not say hello.")
        name, python, version = (
            one_line(message.get(key, ""), 40) for key in ("kind", "python", "version")
        )
        return Kind(name, python, version, one_line(message.get("why", ""), 200))

    def _message(self, deadline: float | None) -> Mapping[str, Any]:
        """Return the next message."""
        while not self._lines:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError
            piece = self._process.read(left)
            if piece is None:
                raise self._ended()
            self._take(*piece)
        try:
            message = json.loads(self._lines.popleft())
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise self._ended("It sent what is no message.")
        return message

    def _take(self, stream: str, data: bytes) -> None:
        if stream == "stderr":  # of the bridge itself: why it did not start
            self._stderr = (self._stderr + data)[-8192:]
            return
        *whole, rest = data.split(b"\n")
        if whole:
            self._lines.append(bytes(self._partial) + whole[0])
            self._lines.extend(whole[1:])
            self._partial.clear()
        self._partial += rest
        if len(self._partial) > _LONGEST:
            raise self._ended("It sent a message that is too long.")

    def _ended(self, why: str = "") -> OrkeeError:
        end = self._process.exit
        how = f"The interpreter in the sandbox has ended{_how(end)}."
        said = self._stderr.decode("utf-8", "replace").splitlines()[-20:]
        self.close()
        return OrkeeError(
            "command_failed",
            " ".join(part for part in (how, why) if part),
            "Its variables are gone; the next cell starts a new one.",
            details={"exit_code": end.exit_code if end else None, "lines": said},
        )


def text_of(message: Mapping[str, Any]) -> tuple[str, bytes]:
    """Return the stream and the bytes of a stream message."""
    try:
        data = base64.b64decode(str(message.get("data", "")))
    except (binascii.Error, ValueError):
        data = b""
    return ("stderr" if message.get("name") == "stderr" else "stdout"), data


def _how(end: Any) -> str:
    if end is None:
        return ""
    return f" by SIG{one_line(end.signal, 20)}" if end.signal else f" with code {end.exit_code}"


def source() -> str:
    """Return the interpreter's program: the modules of ``inside`` and what loads them as one."""
    folder = resources.files(__package__).joinpath("inside")
    texts = {name: folder.joinpath(f"{name}.py").read_text("utf-8") for name in _MODULES}
    return _LOADER.format(texts=texts)


def _start(sandbox: Sandbox) -> Process:
    program_text = source()
    for program in _PROGRAMS:
        try:
            return sandbox.popen([program, "-u", "-c", program_text], stdin=True, hold=False)
        except OrkeeError as error:
            if error.code != "command_not_found":
                raise
    raise OrkeeError(
        "command_not_found",
        "The sandbox has no Python.",
        "Use a sandbox from the template python, or `%%sandbox run` for another language.",
    )
