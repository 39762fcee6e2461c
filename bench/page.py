"""Writes the tables of a run into ``docs/benchmarks.md``: ``python -m bench.page``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from .results import Results
from .table import tables

PAGE = Path("docs/benchmarks.md")
BEGIN, END = "<!-- figures: python -m bench.page -->", "<!-- end of figures -->"
#: In the order of the columns.
SUBJECTS = (
    "orkee direct",
    "orkee forwarded",
    "dagger sdk",
    "docker",
    "testcontainers",
    "host",
)


def machine_line(machine: dict[str, Any]) -> str:
    """Return in a sentence or two what was measured on."""
    versions = machine["versions"]
    return (
        f"Measured on {machine['date']}: {machine['cpus']} CPUs ({machine['processor']}), "
        f"{machine['memory_gb']} GB, Linux {machine['kernel']}, Python {machine['python']}, "
        f"Dagger {versions['dagger-io']}, Docker {versions['docker']}, "
        f"testcontainers {versions['testcontainers']}. "
        f"Load average before {machine['load_before']}, after {machine['load_after']}."
    )


def with_figures(page: str, content: dict[str, Any]) -> str:
    """Return the page with the figures of a run between the marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    results = Results.from_json(content["figures"])
    results.failures = list(content["failures"])
    text = tables(results, SUBJECTS, content["peak_bytes"])
    return f"{before}{BEGIN}\n{machine_line(content['machine'])}\n\n{text}\n{END}{after}"


def main() -> None:
    """Read a run, write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("json", type=Path, nargs="?", default=Path("build/bench.json"))
    content = json.loads(parser.parse_args().json.read_text())
    PAGE.write_text(with_figures(PAGE.read_text(), content))


if __name__ == "__main__":
    main()
