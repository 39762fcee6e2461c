"""What is measured: each subject starts containers and does with them what it can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar


class Unusable(Exception):
    """A subject can't be measured here; the text is one sentence that says why."""


class Box:
    """A container that runs. A subject's own kind has those methods that the subject ``can``."""

    #: Where ``push`` puts files, as commands in the container see it.
    folder: ClassVar[str] = ""

    def exec(self, *command: str) -> None:
        """Run a command to its end."""
        raise NotImplementedError

    def follow(self) -> Iterator[bytes]:
        """Yield the main command's output as it comes."""
        raise NotImplementedError

    def address(self) -> tuple[str, int]:
        """Return where the server's port can be reached from this machine."""
        raise NotImplementedError

    def push(self, source: Path, name: str) -> None:
        """Copy a file into the container."""
        raise NotImplementedError

    def pull(self, name: str, target: Path) -> None:
        """Copy a file out of the container."""
        raise NotImplementedError

    def stop(self) -> None:
        """End and remove the container."""
        raise NotImplementedError


class Subject:
    """One way to run containers."""

    name: ClassVar[str] = ""
    #: Which of the measures' needs it has: start, exec, follow, port, files, many, …
    can: ClassVar[frozenset[str]] = frozenset()
    #: What it gets to carry of what the others get, where it carries much less.
    share: ClassVar[float] = 1.0

    def open(self) -> None:
        """Make it ready; raises Unusable."""

    def close(self) -> None:
        """End all that it started."""

    def start(self, command: Sequence[str], *, port: int | None = None) -> Box:
        """Start a container and return it as soon as the subject says that it runs."""
        raise NotImplementedError

    def processes(self) -> dict[str, list[int]]:
        """Return the ids of the processes whose memory counts, by what they are; children too."""
        return {}
