"""Where files live: one owner for each folder, shared by server, client and engine."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import platformdirs

from .sandbox.errors import OrkeeError

APP = "orkee-jupyter"
#: Versioned by the engine, whose build fills most of the folder.
ENGINE_VERSION = "0.19.10"


def data_dir() -> Path:
    """Return (and make) the per-user data folder, ``$XDG_DATA_HOME/orkee-jupyter``."""
    path = Path(platformdirs.user_data_dir(APP))
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def config_dir() -> Path:
    """Return the per-user configuration folder; own templates are in its ``templates``."""
    return Path(platformdirs.user_config_dir(APP))


def engine_dir() -> Path:
    """Return (and make) the folder of the native engine of this version."""
    path = data_dir() / f"engine-{ENGINE_VERSION}"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def runtime_dir() -> Path:
    """Return (and make) the 0700 folder for sockets, owned by this user.

    ``$XDG_RUNTIME_DIR/orkee`` where that is a folder of ours, else
    ``/tmp/orkee-UID``: short, for a socket's path takes at most 107 bytes.
    Raises OrkeeError ``internal`` if somebody else owns it (socket squatting).
    """
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and Path(base).is_dir() and Path(base).stat().st_uid == os.getuid():
        path = Path(base) / "orkee"
    else:
        path = Path(tempfile.gettempdir()) / f"orkee-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
        raise OrkeeError(
            "internal",
            f"The runtime folder {path} belongs to somebody else.",
            "Remove it, or set XDG_RUNTIME_DIR to a folder of yours.",
        )
    if info.st_mode & 0o077:
        path.chmod(0o700)
    return path
