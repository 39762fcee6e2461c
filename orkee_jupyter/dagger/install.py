"""``orkee engine install``: the distribution's packages, then the engine from Go modules.

What is built is written aside and renamed, so an interrupted install resumes;
a stamp of the sources says whether anything has to be built at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .. import paths
from ..sandbox.errors import OrkeeError
from ..sandbox.ports import Progress
from . import packages, toolchain

#: Our name of each program, its Go package, and whether it is the long build.
PROGRAMS = {
    "dagger-engine": "github.com/dagger/dagger/cmd/engine",
    "dagger": "github.com/dagger/dagger/cmd/dagger",
    "dagger-init": "github.com/dagger/dagger/cmd/init",
    "dnsname": "github.com/dagger/dagger/cmd/dnsname",
    "orkee-engine": "./cmd/orkee-engine",
    "runc-shim": "./cmd/runc-shim",
}
_VERSION = f"v{paths.ENGINE_VERSION}"
_LINK = (
    f"-s -w -X github.com/dagger/dagger/engine.Version={_VERSION}"
    f" -X github.com/dagger/dagger/engine.Tag={_VERSION}"
)
_LONGEST = "dagger-engine"
_SCRATCH = ".build-"


def install(progress: Progress) -> bool:
    """Install the native engine; return whether anything had to be built.

    Raises OrkeeError ``no_engine``. Blocks for minutes at the first time.
    """
    folder = paths.engine_dir() / "bin"
    with _alone(paths.engine_dir() / "install.lock", progress):
        packages.install(packages.ENGINE, progress)
        sources = source_dir()
        wanted = {
            name: _digest(sources, own=target.startswith("./")) for name, target in PROGRAMS.items()
        }
        todo = [name for name in PROGRAMS if not _up_to_date(folder, name, wanted[name])]
        if not todo:
            progress("the native engine is installed")
            return False
        go = toolchain.find_go(progress)
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{_SCRATCH}*"):  # by an install that was killed
            shutil.rmtree(left, ignore_errors=True)
        for name in todo:
            long = ": about 5 minutes on 2 cores" if name == _LONGEST else ""
            progress(f"building {name} {_VERSION if name.startswith('da') else ''}{long}".strip())
            _build(go, sources, name, folder)
            _stamp(folder, name).write_text(wanted[name])
    return True


def source_dir() -> Path:
    """Return the folder of the Go module: inside the wheel, or beside the package."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_engine", package.parent / "engine"):
        if (folder / "go.mod").is_file():
            return folder
    raise OrkeeError("internal", "The engine's sources are not part of this installation.")


def _build(go: Path, sources: Path, name: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=folder) as scratch:
        aside = Path(scratch) / name
        result = subprocess.run(
            [
                go,
                "build",
                "-mod=readonly",  # go.sum verifies each module
                "-trimpath",
                "-buildvcs=false",
                f"-ldflags={_LINK}",
                "-o",
                aside,
                PROGRAMS[name],
            ],
            cwd=sources,
            env=toolchain.environment(go),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if result.returncode != 0:
            raise OrkeeError(
                "no_engine",
                f"Building {name} failed: {result.stderr.strip()[-600:]}.",
                "Check that the Go module proxy can be reached, and run it again: it resumes.",
            )
        aside.chmod(0o755)
        aside.replace(folder / name)


def _digest(sources: Path, *, own: bool) -> str:
    """Return the digest of what a program is built from; Dagger's own need our modules only."""
    folder = sources if own else sources / "distconsts"
    files = [p for p in folder.rglob("*.go") if not p.name.endswith("_test.go")]
    files += [sources / "go.mod", sources / "go.sum"]
    digest = hashlib.sha256(f"{_LINK} {toolchain.MINIMUM}".encode())
    for path in sorted(files):
        digest.update(path.relative_to(sources).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _stamp(folder: Path, name: str) -> Path:
    return folder / f".{name}.sha256"


def _up_to_date(folder: Path, name: str, digest: str) -> bool:
    stamp = _stamp(folder, name)
    return os.access(folder / name, os.X_OK) and stamp.is_file() and stamp.read_text() == digest


@contextlib.contextmanager
def _alone(lock: Path, progress: Progress) -> Iterator[None]:
    """Hold a lock: two installs at once would build everything twice."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another install to finish")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
