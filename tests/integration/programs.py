"""Programs of the distribution for the tests: an image with them, and its clients for this host."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from orkee_jupyter.client import Sandbox

from .world import World

#: One template for all of it, so that the packages are installed once.
TEMPLATE = """
image = "debian:bookworm-slim"
env = { DEBIAN_FRONTEND = "noninteractive" }
setup = [
  "apt-get update && apt-get install --yes --no-install-recommends %s",
]
"""
PACKAGES = ("redis-server", "postgresql", "git", "python3-websockets")


def put_template(world: World) -> str:
    """Give the tests' user a template with the programs; return its name."""
    folder = world.folder / "config" / "orkee-jupyter" / "templates"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "programs.toml").write_text(TEMPLATE % " ".join(PACKAGES))
    return "programs"


class Client:
    """A program of a sandbox's image, run on this host: nothing of it is installed here.

    The program, its libraries and the loader come out of the sandbox as they are.
    """

    def __init__(self, sandbox: Sandbox, path: str, folder: Path) -> None:
        listed = sandbox.exec(["ldd", path], check=True).stdout
        self._program = folder / Path(path).name
        self._libraries = folder / f"{self._program.name}.libraries"
        self._libraries.mkdir()
        self._loader = self._libraries / "loader"
        self._take(sandbox, path, self._program)
        for name in re.findall(r"(/\S+) \(0x", listed):
            target = self._libraries / Path(name).name
            self._take(sandbox, name, self._loader if "/ld-linux" in name else target)

    @staticmethod
    def _take(sandbox: Sandbox, path: str, target: Path) -> None:
        target.write_bytes(sandbox.files.read(path))
        target.chmod(0o755)

    def run(self, *words: str, stdin: str | None = None, **env: str) -> str:
        """Run it and return what it printed. Fails with that if it failed."""
        command = [str(self._loader), "--library-path", str(self._libraries), str(self._program)]
        done = subprocess.run(
            [*command, *words],
            input=stdin,
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", **env},
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
