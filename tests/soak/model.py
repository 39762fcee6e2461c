"""What a server should know: a plain model in memory, without a word of how it does it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

#: Sandboxes that may be active at once, as the server is told, and names that they take.
MOST = 4
NAMES = tuple(f"s{number}" for number in range(6))
KILLED = 137  # the exit code of a command that SIGKILL has ended


@dataclass
class Known:
    """One sandbox that has not ended."""

    id: str
    name: str
    lines: list[str]  # of its log, whenever its command has begun
    labels: dict[str, str]
    status: str = "active"
    frozen: bool = False  # paused with its container
    torn: bool = False  # a resume was cut off, which had begun its log anew
    exit_code: int | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    expires: int = 0  # not before that

    @property
    def is_active(self) -> bool:
        return self.status == "active"

    @property
    def has_container(self) -> bool:
        return self.is_active or self.frozen

    def facts(self) -> dict[str, object]:
        """What its row must say."""
        return {
            "name": self.name,
            "status": self.status,
            "frozen": self.frozen,
            "exit_code": self.exit_code,
            "labels": self.labels,
        }


class Model:
    """All sandboxes, as they should be."""

    def __init__(self) -> None:
        self.live: dict[str, Known] = {}
        self.ended: dict[str, str] = {}  # the status of each
        self.failed = 0  # creations that could not succeed

    def __iter__(self) -> Iterator[Known]:
        return iter(list(self.live.values()))

    def of(self, status: str) -> list[Known]:
        """Return those in a state."""
        return [each for each in self if each.status == status]

    def running(self) -> list[Known]:
        """Return those that have a container."""
        return [each for each in self if each.has_container]

    @property
    def is_full(self) -> bool:
        return len(self.running()) >= MOST

    def refusal(self, name: str) -> str | None:
        """Return the code that a create gets, None where it succeeds."""
        if self.is_full:
            return "too_many_sandboxes"
        return "name_taken" if name in {each.name for each in self} else None

    def stop(self, known: Known, status: str = "terminated") -> None:
        """Note an end."""
        del self.live[known.id]
        self.ended[known.id] = status

    def pause(self, *paused: Known) -> None:
        """Note that containers have gone."""
        for each in paused:
            each.status, each.frozen = "paused", False

    def freeze(self, known: Known) -> None:
        """Note that its processes stand still."""
        known.status, known.frozen = "paused", True

    def thaw(self, known: Known) -> None:
        """Note that they go on."""
        known.status, known.frozen = "active", False

    def resume(self, known: Known) -> None:
        """Note that a container has come, with the command begun anew."""
        known.status, known.exit_code, known.torn = "active", None, False
