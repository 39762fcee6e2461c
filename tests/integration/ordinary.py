"""An ordinary user of this machine, made for a test: a closed home, and an engine in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from orkee_jupyter import paths

from .world import ROOT

_BLOBS = "docker/registry/v2/blobs/sha256"
_REPOSITORY = "docker/registry/v2/repositories/library"


class Ordinary:
    """A user without rights, with the engine's programs and one base image in its home.

    The tests' Python may lie where only root can read it. It is mounted into the home, in a
    mount namespace of each command's own: so nothing is copied and no trace is left.
    """

    def __init__(self, image: str) -> None:
        self.name = f"orkee-it-{os.getpid()}"
        self._base = Path(tempfile.mkdtemp(prefix="orkee-it-user-"))
        self._base.chmod(0o755)
        self.home = self._base / "home"
        _root("useradd", "--create-home", "--home-dir", str(self.home), self.name)
        self.home.chmod(0o700)
        self.data = self.home / "data" / paths.APP
        self._install()
        self._copy_image(image)
        self._mounts = {
            Path(sys.base_prefix): self.home / "python",
            Path(sysconfig.get_path("purelib")): self.home / "packages",
            ROOT: self.home / "project",
        }
        for folder in (*self._mounts.values(), self.home / "run", self.home / "config"):
            folder.mkdir(mode=0o700)
        _root("chown", "-R", f"{self.name}:", str(self.home))

    def _install(self) -> None:
        shutil.copytree(paths.engine_dir() / "bin", self.data / paths.engine_dir().name / "bin")

    def _copy_image(self, image: str) -> None:
        """Copy what the registry has of one image. Without one here a public one answers."""
        registry = paths.data_dir() / "registry"
        source = registry / _REPOSITORY / image
        if not source.is_dir():
            return
        target = self.data / "registry"
        shutil.copytree(source, target / _REPOSITORY / image)
        for link in source.rglob("link"):
            digest = link.read_text().removeprefix("sha256:")
            blob = f"{_BLOBS}/{digest[:2]}/{digest}"
            shutil.copytree(registry / blob, target / blob, dirs_exist_ok=True)

    @property
    def env(self) -> dict[str, str]:
        """What a login of this user has; no sbin in its PATH."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "USER": self.name,
            "LANG": "C.UTF-8",
            "XDG_DATA_HOME": str(self.home / "data"),
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "PYTHONPATH": f"{self.home}/project:{self.home}/packages",
            "PYTHONDONTWRITEBYTECODE": "1",
            # A Python with a shared library looks for it where it was installed.
            "LD_LIBRARY_PATH": f"{self.home}/python/lib",
        }

    def orkee(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``orkee`` as this user."""
        script = "".join(f"mount --bind '{a}' '{b}' && " for a, b in self._mounts.items())
        python = self.home / "python" / "bin" / f"python3.{sys.version_info.minor}"
        command = ["/usr/sbin/runuser", "-u", self.name, "--", str(python)]
        command += ["-m", "orkee_jupyter.cli", *words]
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", f'{script} exec "$@"', "sh", *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.env,
            cwd="/",
            timeout=90,
            check=False,
        )

    def processes(self) -> list[int]:
        """Return the user's processes; those in its containers have other ids."""
        uid = self.home.stat().st_uid
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and entry.stat().st_uid == uid:
                    found.append(int(entry.name))
            except FileNotFoundError:
                continue  # it has ended
        return found

    def remove(self) -> None:
        """Remove the user, its home and what its engine has left in it."""
        _root("userdel", "--force", self.name)
        shutil.rmtree(self._base)


def _root(*command: str) -> None:
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": path}, check=False)
    assert done.returncode == 0, done
