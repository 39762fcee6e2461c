"""``%%sandbox python``: the cell runs in a sandbox's one interpreter, which keeps its state."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ..client import OrkeeError, Sandbox
from . import kernel_install, questions
from .arguments import REFERENCE, Arguments, Command, Option
from .errors import InnerError, SandboxInterrupted
from .foreign import plain, safe_bundle
from .interpreter import KERNEL, Interpreter, text_of
from .output import CellWriter
from .own import sandbox_for
from .saying import called, say
from .terminal import one_line

if TYPE_CHECKING:
    from .magics import SandboxMagics

COMMAND: Final = Command(
    "python",
    "Run the cell in the sandbox's one Python interpreter: variables stay for the next cell.",
    (
        Option("--restart", help="end the interpreter first, and with it all variables"),
        Option("--install-kernel", help="install an ipykernel in the sandbox if it has none"),
    ),
    positional="[ID]",
    values=REFERENCE,
    most=1,
    example="%%sandbox python lab",
    cell=True,
)
#: Seconds after an interrupt in which code that heeds it should have ended.
_HEED: Final = 0.7
#: Values that one cell shows, and their bytes in all: more would make a notebook unusable.
_MOST_SHOWN: Final = 200
_MOST_BYTES: Final = 32 << 20
_FRAMES: Final = 400  # lines of a traceback


def run(magics: SandboxMagics, arguments: Arguments, text: str, names: Mapping[str, Any]) -> None:
    """Run a cell. Raises InnerError for what the code raised."""
    sandbox = sandbox_for(magics, arguments, "python", names)
    restart = arguments.has("restart")
    if arguments.has("install_kernel"):
        known = magics.interpreters.get(sandbox.id)
        if known is None or known.kind.name != KERNEL:
            kernel_install.install(magics, sandbox)
            restart = True
    interpreter = _interpreter(magics, sandbox, restart=restart)
    if not text.strip():
        return
    cell = Cell(magics, sandbox, interpreter)
    try:
        cell.run(text)
    except OrkeeError:
        _forget(magics, sandbox)  # it is gone, or nobody knows its state
        raise
    if cell.error is not None:
        raise cell.error


def _interpreter(magics: SandboxMagics, sandbox: Sandbox, *, restart: bool) -> Interpreter:
    if restart or sandbox.status != "active":  # a start then says why there is none
        _forget(magics, sandbox)
    interpreter = magics.interpreters.get(sandbox.id)
    if interpreter is None:
        interpreter = magics.interpreters[sandbox.id] = Interpreter(sandbox)
        say(f"Python in {called(sandbox)}: {interpreter.kind}.")
    return interpreter


def _forget(magics: SandboxMagics, sandbox: Sandbox) -> None:
    interpreter = magics.interpreters.pop(sandbox.id, None)
    if interpreter is not None:
        interpreter.close()


class Cell:
    """One cell while it runs: what it says is shown, an interrupt reaches the interpreter."""

    def __init__(self, magics: SandboxMagics, sandbox: Sandbox, interpreter: Interpreter) -> None:
        self.error: InnerError | None = None
        self._magics = magics
        self._sandbox = sandbox
        self._interpreter = interpreter
        self._interrupts = 0
        self._deadline: float | None = None
        self._writer: CellWriter | None = None
        self._full = False  # no more is shown
        self._shown = 0  # values
        self._size = 0  # bytes of them

    def run(self, text: str) -> None:
        """Run the cell to its end.

        The first interrupt is SIGINT for the interpreter, the second kills it.
        """
        read_all = f"orkee sandbox exec {self._sandbox.short_id} -- python3 -c …"
        with self._magics.writer(read_all) as self._writer:
            self._interpreter.begin(text, takes_input=self._magics.takes_input)
            while True:
                try:
                    self._interpreter.follow(self._show, self._deadline)
                    return
                except KeyboardInterrupt:
                    self._interrupt()
                except TimeoutError:
                    self._deadline = None
                    say("Interrupted, but the code goes on. Interrupt once more to kill it.")

    def _interrupt(self) -> None:
        self._interrupts += 1
        if self._interrupts == 1:
            self._deadline = time.monotonic() + _HEED
            self._interpreter.interrupt()
            return
        self._interpreter.kill()
        self._magics.interpreters.pop(self._sandbox.id, None)
        raise SandboxInterrupted(
            "Interrupted: the interpreter was killed, its variables are gone; "
            f"{called(self._sandbox)} goes on running."
        )

    def _show(self, message: Mapping[str, Any]) -> None:
        assert self._writer is not None
        kind = message.get("type")
        if kind == "stream":
            self._writer.feed(*text_of(message))
        elif kind == "display":
            self._writer.settle()
            self._display(message)
        elif kind == "clear":
            self._writer.settle()
            self._magics.clear(wait=bool(message.get("wait")))
        elif kind == "input":
            self._writer.settle()
            self._interpreter.answer(message, questions.ask(message))
        elif kind == "error":
            self.error = inner_error(message)

    def _display(self, message: Mapping[str, Any]) -> None:
        data, metadata = (message.get(key) for key in ("data", "metadata"))
        shown = safe_bundle(
            data if isinstance(data, dict) else {}, metadata if isinstance(metadata, dict) else {}
        )
        self._shown += 1
        self._size += sum(len(value) for value in shown[0].values())
        if self._shown > _MOST_SHOWN or self._size > _MOST_BYTES:
            if not self._full:
                self._full = True
                say("This cell has shown as much as a cell carries; the rest is left out.")
            return
        name = message.get("display_id")
        # Its names are its own: no display of another cell is reached by one.
        display_id = f"orkee-{self._sandbox.id}-{one_line(name, 64)}" if name else None
        self._magics.publish(*shown, display_id=display_id, update=bool(message.get("update")))


def inner_error(message: Mapping[str, Any]) -> InnerError:
    """Return the error to raise for one that the code inside raised."""
    lines = message.get("traceback")
    shown = [plain(str(line)) for line in lines[-_FRAMES:]] if isinstance(lines, list) else []
    name, value = (one_line(message.get(key, ""), 300) for key in ("ename", "evalue"))
    return InnerError(name, value, shown)
