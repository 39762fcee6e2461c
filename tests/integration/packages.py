"""An ipykernel for a sandbox without a registry: the one of this environment, with all it needs."""

from __future__ import annotations

import io
import re
import tarfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from orkee_jupyter.client import Sandbox


def needed(name: str, found: dict[str, Distribution] | None = None) -> dict[str, Distribution]:
    """Return a distribution and those that it needs, by name; extras are left out."""
    found = {} if found is None else found
    try:
        dist = distribution(name)
    except PackageNotFoundError:  # for another platform or Python
        return found
    if name not in found:
        found[name] = dist
        for requirement in dist.requires or ():
            word = re.match(r"[A-Za-z0-9._-]+", requirement)
            if word and "extra ==" not in requirement:
                needed(word.group().lower(), found)
    return found


def put_ipykernel(sandbox: Sandbox, folder: str) -> None:
    """Copy this environment's ipykernel into a folder of a sandbox."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for dist in needed("ipykernel").values():
            for file in dist.files or ():
                path = file.locate()
                if ".." not in file.parts and not file.name.endswith(".pyc") and path.is_file():
                    tar.add(path, str(file))
        # Compiled modules want these, which the base images have and a stand-in may not.
        for name in ("libstdc++.so.6", "libgcc_s.so.1"):
            for path in Path("/usr/lib").glob(f"*-linux-gnu/{name}"):
                tar.add(path.resolve(), f"lib/{name}")
    archive.seek(0)
    sandbox.exec(f"mkdir -p {folder} && tar x -C {folder}", stdin=archive, check=True)
