"""The few programs that the fake containers have: enough for tests of what runs them."""

from __future__ import annotations

import asyncio
import signal as signals
from collections.abc import Callable, Sequence
from typing import Any

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import Exit

Emit = Callable[[str, bytes], None]
PROGRAMS = frozenset({"true", "false", "echo", "cat", "sleep", "sh"})


def check_program(command: Sequence[str]) -> None:
    """Raise what a container says of a command that it cannot run."""
    if command[0] == "/etc/passwd":
        raise OrkeeError("command_not_executable", f"{command[0]} may not be executed.")
    if command[0] not in PROGRAMS:
        raise OrkeeError("command_not_found", f"{command[0]} is not in the image.")


class Process:
    """A run of ``true``, ``false``, ``echo``, ``cat``, ``sleep`` or ``sh -c 'a; b'`` of those."""

    def __init__(self, command: Sequence[str], emit: Emit) -> None:
        check_program(command)
        self._command = list(command)
        self._emit = emit
        self.stdin: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._killed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.task = asyncio.get_running_loop().create_task(self._run())

    def kill(self, name: str) -> None:
        if not self._killed.done():
            self._killed.set_result(name)

    async def _run(self) -> Exit:
        script = asyncio.ensure_future(self._script())
        waits: set[asyncio.Future[Any]] = {script, self._killed}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if script.done():
            return Exit(exit_code=script.result())
        script.cancel()
        await asyncio.gather(script, return_exceptions=True)
        name = self._killed.result()
        return Exit(exit_code=128 + signals.Signals[f"SIG{name}"], signal=name)

    async def _script(self) -> int:
        if self._command[:2] != ["sh", "-c"]:
            return await self._one(self._command, "stdout")
        code = 0
        for part in self._command[2].split(";"):
            words = part.split()
            if words[0] == "exit":
                return int(words[1])
            stream = "stderr" if words[-1] == ">&2" else "stdout"
            code = await self._one([word for word in words if word != ">&2"], stream)
        return code

    async def _one(self, words: Sequence[str], stream: str) -> int:
        await asyncio.sleep(0)
        if words[0] == "echo":
            self._emit(stream, (" ".join(words[1:]) + "\n").encode())
        elif words[0] == "cat":
            while (data := await self.stdin.get()) is not None:
                self._emit(stream, data)
        elif words[0] == "sleep":
            await asyncio.get_running_loop().create_future()
        return 1 if words[0] == "false" else 0
