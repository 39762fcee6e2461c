"""Write the sync client from the async one.

``python scripts/unasync.py`` writes ``client/_sync`` from ``client/_async``; with ``--check`` it
writes nothing and exits 1 if a file is stale. It works on tokens, so text that only looks like
code is safe, and on the words of docstrings and comments.
"""

from __future__ import annotations

import argparse
import difflib
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "orkee_jupyter" / "client" / "_async"
TARGET = ROOT / "orkee_jupyter" / "client" / "_sync"
BY_HAND = {"defaults.py"}  # what differs in kind: a loop's connections and a process's

WORDS = {
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "StopAsyncIteration": "StopIteration",
    "aclose": "close",
    "aiter_bytes": "iter_bytes",
    "aread": "read",
    "_async": "_sync",
}
DROPPED = {"async", "await"}


def rename(word: str) -> str:
    """Return the sync name for a name of the async source."""
    if word in WORDS:
        return WORDS[word]
    if word.startswith("async_"):
        return word.removeprefix("async_")
    return re.sub(r"^Async(?=[A-Z])", "", word)


def retell(text: str) -> str:
    """Return a docstring or comment with its words about async code turned."""
    text = re.sub(r"\b(?:async|await) (?=\w)", "", text)
    return re.sub(r"\b[A-Za-z_]+\b", lambda match: rename(match.group()), text)


def translate(source: str) -> str:
    """Return the sync source for an async one, not yet formatted."""
    lines = source.splitlines(keepends=True)
    out: list[str] = []
    row, column = 1, 0
    drop_space = False

    def between(end_row: int, end_column: int) -> str:
        """Return the whitespace from the last token's end to a place."""
        if end_row == row:
            return lines[row - 1][column:end_column] if row <= len(lines) else ""
        gap = [lines[row - 1][column:], *lines[row : end_row - 1]]
        if end_row <= len(lines):
            gap.append(lines[end_row - 1][:end_column])
        return "".join(gap)

    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER):
            continue
        gap = between(*token.start)
        out.append("" if drop_space else gap)
        drop_space = token.type == tokenize.NAME and token.string in DROPPED
        if token.type == tokenize.NAME:
            out.append("" if drop_space else rename(token.string))
        elif token.type in (tokenize.STRING, tokenize.COMMENT):
            out.append(retell(token.string))
        else:
            out.append(token.string)
        row, column = token.end
    return "".join(out)


def formatted(source: str, path: Path) -> str:
    """Return source as the project's formatter and import sorter leave it."""
    name = ["--stdin-filename", str(path), "-"]
    for command in (["check", "--select", "I", "--fix", "--quiet"], ["format", "--quiet"]):
        source = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *name],
            input=source,
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        ).stdout
    return source


def generate(path: Path) -> str:
    """Return the text of the generated file for a source file."""
    header = f"# Generated from ../_async/{path.name} by scripts/unasync.py. Do not edit.\n"
    text = path.read_text()
    if not text.strip():
        return text
    return formatted(header + translate(text), TARGET / path.name)


def main() -> int:
    """Write or check every file; return the exit code."""
    parser = argparse.ArgumentParser(description="Write the sync client from the async one.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail if stale")
    check = parser.parse_args().check
    names = {path.name for path in SOURCE.glob("*.py")} - BY_HAND
    stale = 0
    for name in sorted(names | {path.name for path in TARGET.glob("*.py")} - BY_HAND):
        target = TARGET / name
        wanted = generate(SOURCE / name) if name in names else None
        present = target.read_text() if target.exists() else None
        if wanted == present:
            continue
        stale += 1
        if check:
            diff = difflib.unified_diff(
                (present or "").splitlines(), (wanted or "").splitlines(), str(target), lineterm=""
            )
            print(*diff, sep="\n")
        elif wanted is None:
            target.unlink()
        else:
            target.write_text(wanted)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
