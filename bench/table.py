"""The figures as Markdown tables, which a terminal shows as well."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from .measures import Figure
from .results import Results, p95
from .targets import outcomes


def tables(results: Results, subjects: Sequence[str], peaks: Mapping[str, int]) -> str:
    """Return everything that a run has found."""
    parts = [_figures(results, subjects), _targets(results)]
    if peaks:
        rows = [[name, f"{size / 1e6:.0f}"] for name, size in peaks.items()]
        parts.append(_table(["most memory at one time", "MB"], rows))
    if results.failures:
        parts.append("\n".join(["Not measured:", *results.failures]))
    return "\n\n".join(parts)


def _figures(results: Results, subjects: Sequence[str]) -> str:
    used = [name for name in subjects if any(name in v for v in results.values.values())]
    rows = []
    for name, figure in results.figures.items():
        by_subject = results.values[name]
        cells = [_cell(figure, by_subject.get(subject, [])) for subject in used]
        most = max((len(values) for values in by_subject.values()), default=0)
        rows.append([f"{figure.title}, {figure.unit}", *cells, str(most)])
    return _table(["median (p95)", *used, "n"], rows)


def _cell(figure: Figure, values: Sequence[float]) -> str:
    if not values:
        return ""
    middle = short(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({short(p95(values, figure.more))})"


def _targets(results: Results) -> str:
    rows = []
    for outcome in outcomes(results):
        value = "" if outcome.value is None else f"{short(outcome.value)} {outcome.unit}"
        word = {None: "not measured", True: "reached", False: "**missed**"}[outcome.reached]
        rows.append([outcome.sentence, outcome.wanted, value, word])
    return _table(["target", "wanted", "measured", ""], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    text = []
    for number, line in enumerate(lines):
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        text.append(f"| {' | '.join(cells)} |")
        if number == 0:
            text.append(f"| {' | '.join('-' * width for width in widths)} |")
    return "\n".join(text)


def short(value: float) -> str:
    """Return a number with what matters of it."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
