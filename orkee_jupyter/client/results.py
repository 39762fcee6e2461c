"""What a client hands back: results of commands, entries of logs, and lines made of them."""

from __future__ import annotations

import base64
import binascii
import codecs
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import Exit, LogEntry

#: Lines of a failed command that its error carries.
LAST_LINES = 20


@dataclass(frozen=True, slots=True)
class ExecResult:
    """How a command ended and what it printed; ``duration`` in seconds.

    ``exit_code`` is the command's own, or 128 + the number of the ``signal`` that ended it.
    """

    exit_code: int
    stdout_bytes: bytes = field(default=b"", repr=False)
    stderr_bytes: bytes = field(default=b"", repr=False)
    duration: float = 0.0
    signal: str | None = None
    timed_out: bool = False

    @property
    def stdout(self) -> str:
        """Standard output as text; what is not UTF-8 shows as U+FFFD."""
        return self.stdout_bytes.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """Standard error as text; what is not UTF-8 shows as U+FFFD."""
        return self.stderr_bytes.decode("utf-8", "replace")

    @property
    def ok(self) -> bool:
        """Whether the command ended with exit code 0."""
        return self.exit_code == 0

    def checked(self, command: Sequence[str]) -> Self:
        """Return this same result. Raises ``command_failed`` if the exit code is not 0."""
        if self.ok:
            return self
        said = (self.stderr if self.stderr.strip() else self.stdout).splitlines()[-LAST_LINES:]
        raise command_failed(command[0], self.exit_code, self.signal, self.timed_out, said)

    @classmethod
    def collect(cls, pieces: Iterable[tuple[str, bytes]], end: Exit) -> ExecResult:
        """Return the result made of a command's output pieces and its end."""
        kept = list(pieces)
        return cls(
            exit_code=end.exit_code,
            stdout_bytes=b"".join(data for stream, data in kept if stream == "stdout"),
            stderr_bytes=b"".join(data for stream, data in kept if stream == "stderr"),
            duration=end.duration,
            signal=end.signal,
            timed_out=end.timed_out,
        )


class LineAssembler:
    """Makes text lines of log entries, with standard output and error assembled apart."""

    def __init__(self) -> None:
        self._partial: dict[str, list[str]] = {}
        self._decoders: dict[str, codecs.IncrementalDecoder] = {}

    def feed(self, entry: LogEntry) -> list[str]:
        """Return the lines that an entry completes, without their newline."""
        if entry.stream == "dropped":
            return [*self.finish(), f"[{entry.dropped} bytes of the log are missing here]"]
        decoder = self._decoders.setdefault(
            entry.stream, codecs.getincrementaldecoder("utf-8")("replace")
        )
        first, *rest = decoder.decode(entry.data).split("\n")
        partial = self._partial.setdefault(entry.stream, [])
        partial.append(first)
        if not rest:
            return []
        lines = ["".join(partial), *rest[:-1]]
        self._partial[entry.stream] = [rest[-1]]
        return lines

    def finish(self) -> list[str]:
        """Return the lines that no newline ended, and begin anew."""
        lines = []
        for stream, decoder in self._decoders.items():
            text = "".join(self._partial.get(stream, [])) + decoder.decode(b"", final=True)
            if text:
                lines.append(text)
        self._partial.clear()
        self._decoders.clear()
        return lines


def command_failed(
    name: str, exit_code: int, signal: str | None, timed_out: bool, lines: Sequence[str]
) -> OrkeeError:
    """Return the error for a command that was to succeed and did not."""
    how = f"ended with exit code {exit_code}"
    if timed_out:
        how = f"was ended at its timeout, with exit code {exit_code}"
    elif signal:
        how = f"was ended by SIG{signal}, with exit code {exit_code}"
    return OrkeeError(
        "command_failed",
        f"The command {name!r} {how}.",
        "See what it said last." if lines else "It said nothing.",
        details={
            "exit_code": exit_code,
            "signal": signal,
            "timed_out": timed_out,
            "lines": [line[:1000] for line in lines],
        },
    )


def to_entry(line: Mapping[str, Any]) -> LogEntry:
    """Return the log entry that a line of the log's stream stands for."""
    try:
        return LogEntry(
            seq=int(line["seq"]),
            time=float(line.get("time", 0.0)),
            stream=str(line["stream"]),
            data=to_bytes(line),
            dropped=int(line.get("bytes", 0)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise not_understood() from error


def to_exit(line: Mapping[str, Any]) -> Exit:
    """Return the end of a command that the last line of its stream stands for."""
    try:
        return Exit(
            exit_code=int(line["exit_code"]),
            signal=line.get("signal"),
            timed_out=bool(line.get("timed_out", False)),
            duration=float(line.get("duration", 0.0)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise not_understood() from error


def to_bytes(line: Mapping[str, Any]) -> bytes:
    """Return the bytes of a line's ``text`` or ``base64``; empty if it has neither."""
    try:
        if "base64" in line:
            return base64.b64decode(line["base64"])
        return str(line.get("text", "")).encode()
    except (binascii.Error, TypeError, ValueError) as error:
        raise not_understood() from error


def sandbox_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``sandbox`` object of an answer."""
    data = answer.get("sandbox")
    if not isinstance(data, dict):
        raise not_understood()
    return data


def not_understood() -> OrkeeError:
    """Return the error for an answer that is not what the interface says."""
    return OrkeeError(
        "internal",
        "The server's answer is not what the interface says.",
        "Use the same version of orkee-jupyter on both sides.",
    )
