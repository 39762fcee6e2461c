"""What is measured, and how: a module each. Samples are taken of all subjects in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..subjects import Subject

#: Values of figures, by the figure's name. One round may give several of one.
Sample = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Figure:
    """What a number is."""

    name: str
    title: str
    unit: str
    #: Whether more of it is better: a rate is, a time is not.
    more: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured: everything, or just enough to see that it works."""

    rounds: int
    quick: bool

    def size(self, full: int, quick: int, share: float = 1.0) -> int:
        """Return ``full``, or ``quick`` where it is only tried, times ``share``."""
        return int((quick if self.quick else full) * share)

    def few(self) -> int:
        """Return the rounds of what takes long: a quarter of the others'."""
        return max(self.rounds // 4, min(self.rounds, 2))


class Measure:
    """One thing to measure. ``sample`` is called for each subject in turn, round by round."""

    name: ClassVar[str] = ""
    figures: ClassVar[tuple[Figure, ...]] = ()
    #: A subject takes part that can do one of these.
    needs: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, scale: Scale) -> None:
        self.scale = scale

    def rounds(self) -> int:
        """Return how many rounds there are."""
        return self.scale.rounds

    def fits(self, subject: Subject) -> bool:
        """Return whether a subject takes part."""
        return bool(self.needs & subject.can)

    def prepare(self, subject: Subject) -> Any:
        """Return what all samples of a subject share; it is not measured."""

    def sample(self, subject: Subject, shared: Any) -> Sample:
        """Return the values of one round."""
        raise NotImplementedError

    def finish(self, subject: Subject, shared: Any) -> None:
        """End what ``prepare`` has made."""


def timed(work: Callable[[], object]) -> float:
    """Return the milliseconds that something takes."""
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1e3


def several(works: Mapping[str, Callable[[], object]]) -> Sample:
    """Return the milliseconds of each."""
    return {name: [timed(work)] for name, work in works.items()}
