"""What a verb prints: JSON for programs, plain columns for people."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def print_json(value: object) -> None:
    """Print a value as indented JSON, in ASCII, so that every terminal and pipe takes it."""
    print(json.dumps(value, indent=2))


def plain(text: str) -> str:
    """Return text that cannot drive a terminal: what comes from a container is not trusted."""
    return _CONTROL.sub("�", text)


def cell(value: object) -> str:
    """Return a value as one line of text; nothing shows as a dash."""
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, Mapping):
        return " ".join(f"{key}={cell(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return " ".join(cell(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return plain(str(value)).replace("\n", " ").replace("\t", " ")


def print_table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows in aligned columns, never cut: a pipe and a narrow terminal get all of it."""
    lines = [list(heads), *([cell(value) for value in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for number, line in enumerate(lines):
        padded = [text.ljust(width) for text, width in zip(line, widths, strict=True)]
        shown = "  ".join(padded).rstrip()
        bold = number == 0 and sys.stdout.isatty()
        print(f"\x1b[1m{shown}\x1b[0m" if bold else shown)


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print names and values, those of nested objects under joined names."""
    rows = list(_flat(facts))
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        print(f"{name.ljust(width)}  {value}")


def _flat(facts: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in facts.items():
        name = prefix + cell(key)
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{name}.")
        elif isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value):
            for number, item in enumerate(value, 1):
                rows += _flat(
                    item, f"{name}.{cell(item.get('name') or item.get('kind') or number)}."
                )
        else:
            rows.append((name, cell(value)))
    return rows


def until(moment: int) -> str:
    """Return how long it is until a unix time: ``58 min``, ``3 h``, ``over``."""
    seconds = int(moment - time.time())
    if seconds <= 0:
        return "over"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
