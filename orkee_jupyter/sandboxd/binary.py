"""Where the daemon's program for a container lies: a data file of this package."""

from __future__ import annotations

import platform
from importlib import resources
from pathlib import Path

from ..sandbox.errors import OrkeeError

_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def binary(arch: str | None = None) -> Path:
    """Return the path of sandboxd for ``arch`` ("amd64", "arm64"; None: this machine's).

    Raises OrkeeError ``internal`` if it was not built.
    """
    name = _ARCHITECTURES.get(arch or platform.machine().lower(), arch or platform.machine())
    path = Path(str(resources.files(__package__) / "bin" / f"sandboxd-linux-{name}"))
    if not path.is_file():
        raise OrkeeError(
            "internal",
            f"The daemon for containers is not built for {name}.",
            "Run `make setup` in the project, or install a wheel of Orkee.",
        )
    return path
