"""A world whose engine has a small filesystem of its own, to be filled up."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.integration.world import World

#: Bytes: room for the engine's programs, the images of a few sandboxes, and some more.
SIZE = 1500 << 20


class SmallDiskWorld(World):
    """Its engine's folder lies on an ext4 image of :data:`SIZE`, which takes root to mount."""

    def __init__(self) -> None:
        super().__init__()
        # Not below our folder: its name would be in the list of mounts that others look at.
        self.disk = Path(tempfile.mkdtemp(prefix="small-disk-"))
        self.mounted = self.disk / "mounted"
        self.mounted.mkdir()
        image = self.disk / "image"
        with image.open("wb") as file:
            file.truncate(SIZE)
        _run("mkfs.ext4", "-q", "-m", "0", str(image))
        _run("mount", "-o", "loop", str(image), str(self.mounted))
        # As with a user's: programs and state on one disk.
        programs = (self.engine_dir / "bin").resolve()
        shutil.copytree(programs, self.mounted / "bin")
        shutil.rmtree(self.engine_dir)
        self.engine_dir.symlink_to(self.mounted)

    def free(self) -> int:
        """Return the bytes that fit on the disk."""
        found = os.statvfs(self.mounted)
        return found.f_bavail * found.f_frsize

    def remove(self) -> None:
        """Unmount it, whatever has come of the engine, and remove all."""
        try:
            self.stop_engine()
        finally:
            _run("umount", str(self.mounted))
            shutil.rmtree(self.disk)
            self.engine_dir.unlink()
            shutil.rmtree(self.folder)


def _run(*command: str) -> None:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    subprocess.run(command, check=True, capture_output=True, timeout=60, env={"PATH": path})
