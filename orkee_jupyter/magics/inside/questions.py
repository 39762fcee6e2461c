"""``input()`` and ``getpass()`` of the built-in interpreter, asked in the notebook's cell."""

from __future__ import annotations

import builtins
import getpass
import os
import threading

from .output import Output
from .wire import Wire


class Questions:
    """Takes the place of the two functions; one question at a time, from the cell's own thread."""

    def __init__(self, wire: Wire, output: Output) -> None:
        self._wire = wire
        self._output = output
        self._number = 0
        self._pid = os.getpid()
        self.allowed = False  # whether the front end of the running cell takes input
        builtins.input = self.input
        getpass.getpass = self.getpass

    def input(self, prompt: object = "", /) -> str:
        """Return a line that the user of the notebook enters."""
        return self._ask(str(prompt), password=False)

    def getpass(self, prompt: str = "Password: ", stream: object = None) -> str:
        """Return what the user enters, which is not shown."""
        return self._ask(str(prompt), password=True)

    def _ask(self, prompt: str, *, password: bool) -> str:
        if threading.current_thread() is not threading.main_thread() or os.getpid() != self._pid:
            raise RuntimeError("only the cell's own thread can ask for input")
        if not self.allowed:
            raise EOFError("this front end does not take input")
        self._output.drain()
        self._number += 1
        self._wire.ask(self._output.cell, self._number, prompt, password)
        while True:
            answer = self._wire.answers.get()
            if answer.get("number") == self._number:  # else of a question that was interrupted
                break
        value = answer.get("value")
        if not isinstance(value, str):
            raise EOFError("the input has ended")
        return value
