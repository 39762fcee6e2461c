"""Run the fault suite and write its table into docs/reliability.md: what was run, as it was seen.

``python -m scripts.faults [WORD…]``: with words for pytest, such as ``-k engine``, the table
is printed and the document left as it is, for it would lack rows.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.faults import table

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN = "<!-- written by `make faults` -->"
END = "<!-- end of what is written by `make faults` -->"


def run(words: Sequence[str], path: Path) -> int:
    """Run the suite and the tests of parts that make faults; return pytest's exit code."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "faults", "tests/faults", *words]
    if not words:
        files = [f"tests/{name}" for name in table.part_files()]
        command = [*command[:4], "-m", "faults or not engine", "tests/faults", *files]
    alone = [sys.executable, str(ROOT / "scripts" / "alone.py"), *command]
    env = os.environ | {table.VARIABLE: str(path)}
    return subprocess.run(alone, cwd=ROOT, env=env, check=False).returncode


def put(document: str, rows: Sequence[table.Row]) -> str:
    """Return the document with the table between its marks."""
    before, rest = document.split(BEGIN)
    after = rest.split(END)[1]
    kept = sum(row.kept for row in rows)
    said = f"{kept} of {len(rows)} kept."
    lines = "\n".join(table.markdown(rows))
    return f"{before}{BEGIN}\n\n{said}\n\n{lines}\n\n{END}{after}"


def main(words: Sequence[str]) -> int:
    """Return pytest's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.json"
        code = run(words, path)
        if path.exists() and not words:
            DOCUMENT.write_text(put(DOCUMENT.read_text(), table.read(path)))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
