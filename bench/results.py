"""What was measured: values by figure and subject, and what is told of them."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from .measures import Figure, Sample


def p95(values: Sequence[float], more: bool = False) -> float:
    """Return the value that 95 of 100 are not worse than."""
    ordered = sorted(values, reverse=more)
    return ordered[math.ceil(0.95 * len(ordered)) - 1]


class Results:
    """All values of a run."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self.figures: dict[str, Figure] = {}
        self.failures: list[str] = []

    def add(self, figures: Sequence[Figure], subject: str, sample: Sample) -> None:
        """Take what one round gave."""
        self.figures |= {figure.name: figure for figure in figures if figure.name in sample}
        for name, values in sample.items():
            self.values[name][subject] += values

    def median(self, figure: str, subject: str) -> float | None:
        """Return a median, None where nothing was measured."""
        values = self.values.get(figure, {}).get(subject)
        return statistics.median(values) if values else None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Results:
        """Return what :meth:`to_json` was made from."""
        results = cls()
        for name, found in content.items():
            results.figures[name] = Figure(name, found["title"], found["unit"], found["more"])
            for subject, values in found["subjects"].items():
                results.values[name][subject] = list(values["values"])
        return results

    def to_json(self) -> dict[str, Any]:
        """Return medians, p95 and the values themselves."""
        return {
            name: {
                "title": figure.title,
                "unit": figure.unit,
                "more": figure.more,
                "subjects": {
                    subject: {
                        "median": round(statistics.median(values), 4),
                        "p95": round(p95(values, figure.more), 4),
                        "n": len(values),
                        "values": [round(value, 4) for value in values],
                    }
                    for subject, values in self.values[name].items()
                },
            }
            for name, figure in self.figures.items()
        }
