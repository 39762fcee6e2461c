"""Ask for known vulnerabilities of what is pinned: Python, npm and Go.

``python -m scripts.audit``. What cannot be asked, as its database is out of reach, is said
and skipped; a vulnerability that was found is an error.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hatch_build import find_go

#: npm with the Node that the front end is built with.
_NPM = """
from scripts.frontend import npm
raise SystemExit(npm(["audit", "--omit=dev"]).returncode)
"""
ROOT = Path(__file__).resolve().parent.parent
TIMEOUT = 300  # seconds for each tool


@dataclass(frozen=True)
class Audit:
    """A tool, and the words by which it tells that its database did not answer."""

    name: str
    command: tuple[str, ...]
    folder: Path
    away: tuple[str, ...]


AUDITS = (
    Audit(
        "Python (pip-audit)",
        (
            *(sys.executable, "-m", "uv", "tool", "run", "pip-audit"),
            *("--strict", "--disable-pip", "--require-hashes", "-r", "requirements.lock"),
        ),
        ROOT,
        ("not found on PyPI", "ConnectionError", "Failed to fetch", "Temporary failure"),
    ),
    Audit(
        "npm (npm audit)",
        (sys.executable, "-c", _NPM),
        ROOT,
        ("audit endpoint returned an error", "ENOTFOUND", "ECONNREFUSED"),
    ),
    *(
        Audit(
            f"Go (govulncheck), {folder}",
            (find_go(), "run", "golang.org/x/vuln/cmd/govulncheck@latest", "./..."),
            ROOT / folder,
            ("fetching vulnerabilities", "no such host", "dial tcp", "Not Found"),
        )
        for folder in ("sandboxd", "engine")
    ),
)


def run(audit: Audit) -> tuple[str, str]:
    """Return "clean", "skipped" or "found", and what the tool said."""
    try:
        ran = subprocess.run(
            audit.command,
            cwd=audit.folder,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "skipped", str(error)
    said = ran.stdout + ran.stderr
    if ran.returncode == 0:
        return "clean", said
    if _is_away(audit, said):
        return "skipped", said
    return "found", said


def _is_away(audit: Audit, text: str) -> bool:
    return any(word in text for word in audit.away)


def main() -> int:
    """Run every audit; return 1 if something was found."""
    code = 0
    for audit in AUDITS:
        verdict, said = run(audit)
        why = next((line for line in said.splitlines() if _is_away(audit, line)), said[-200:])
        print(f"{audit.name}: {verdict}" + (f": {why}" if verdict == "skipped" else ""))
        if verdict == "found":
            print(said)
            code = 1
    return code


if __name__ == "__main__":
    raise SystemExit(main())
