"""How a cell fails: in a sentence of cause and one of remedy, without a traceback."""

from __future__ import annotations

import sys
from typing import Final

from ..client import OrkeeError
from .terminal import TextStream, one_line

_RED: Final = "\x1b[31m"
_RESET: Final = "\x1b[0m"
_LONGEST: Final = 2000
_LAST_LINES: Final = ("lines", "log", "tail")  # of a command, the engine, a server


class SandboxError(OrkeeError):
    """An OrkeeError that IPython shows in two lines. The cell fails, so "Run All" stops."""

    @classmethod
    def of(cls, error: OrkeeError) -> SandboxError:
        """Return the same error, to be shown in a cell."""
        return cls(
            error.code,
            one_line(error.cause, _LONGEST),
            one_line(error.remedy, _LONGEST),
            details=error.details,
        )

    def _render_traceback_(self) -> list[str]:
        lines = [f"{_RED}{self.cause}{_RESET}"]
        return [*lines, f"{self.remedy} [{self.code}]".lstrip()]


class InnerError(Exception):
    """An exception that code in a sandbox raised: shown as it was shown there."""

    def __init__(self, name: str, value: str, lines: list[str]) -> None:
        super().__init__(f"{name}: {value}" if value else name)
        self._lines = lines

    def _render_traceback_(self) -> list[str]:
        return self._lines or [str(self)]


class SandboxInterrupted(KeyboardInterrupt):
    """An interrupt of a cell, shown in one line that says what goes on and what has ended."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def show_last_lines(error: OrkeeError) -> None:
    """Print what a command said before it ended, where the error's details hold it."""
    said = next((error.details[key] for key in _LAST_LINES if error.details.get(key)), ())
    text = said if isinstance(said, str) else "\n".join(str(line) for line in said)
    if text:
        shown = TextStream().feed(text.encode("utf-8", "replace")).rstrip("\n")
        print(f"{shown}{_RESET}" if "\x1b" in shown else shown, file=sys.stderr, flush=True)
