"""The project's base images in Docker: those that the native engine's registry folder holds.

So that a comparison runs the same files in both, whether they are stand-ins or not.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from orkee_jupyter import paths
from scripts.docker_daemon import Docker, DockerError

#: The images of the templates, and what they are called in Docker: no name of a registry's.
NAMES = {
    "python:3.11-slim": "orkee-python:3.11-slim",
    "node:18-alpine": "orkee-node:18-alpine",
    "debian:bookworm-slim": "orkee-debian:bookworm-slim",
}
_V2 = "docker/registry/v2"


def put_in(docker: Docker) -> list[str]:
    """Put the base images into Docker where they are missing; return their names there."""
    for source, name in NAMES.items():
        if docker("image", "inspect", name, check=False).returncode == 0 and _same(docker, source):
            continue
        manifest = _manifest(source)
        if manifest is None:  # a registry answers on this machine: no stand-in was built
            docker("pull", "--quiet", source, timeout=600)
            docker("tag", source, name)
            continue
        with tempfile.TemporaryDirectory(prefix="orkee-image-") as folder:
            archive = Path(folder) / "image.tar"
            _write(manifest, name, archive)
            docker("load", "--quiet", "--input", str(archive), timeout=300)
    return list(NAMES.values())


def _same(docker: Docker, source: str) -> bool:
    manifest = _manifest(source)
    if manifest is None:
        return True
    there = docker("image", "inspect", "--format", "{{.Id}}", NAMES[source]).stdout.strip()
    return bool(there == manifest["config"]["digest"])


def _registry() -> Path:
    return paths.data_dir() / "registry" / _V2


def _blob(digest: str) -> Path:
    kind, _, value = digest.partition(":")
    return _registry() / "blobs" / kind / value[:2] / value / "data"


def _manifest(source: str) -> dict[str, Any] | None:
    name, _, tag = source.partition(":")
    link = _registry() / "repositories/library" / name / "_manifests/tags" / tag / "current/link"
    if not link.exists():
        return None
    manifest: dict[str, Any] = json.loads(_blob(link.read_text().strip()).read_text())
    for entry in manifest.get("manifests", ()):  # an index: of one platform here
        return dict(json.loads(_blob(entry["digest"]).read_text()))
    return manifest


def _write(manifest: dict[str, Any], name: str, target: Path) -> None:
    """Write what ``docker load`` reads: the config, the layers, and a list of both."""
    config = _blob(manifest["config"]["digest"]).read_bytes()
    if hashlib.sha256(config).hexdigest() not in manifest["config"]["digest"]:
        raise DockerError(f"the registry folder's {name} is damaged")
    entry = {"Config": "config.json", "RepoTags": [name], "Layers": []}
    with tarfile.open(target, "w") as archive:
        _add(archive, "config.json", config)
        for number, layer in enumerate(manifest["layers"]):
            path = _blob(layer["digest"])
            entry["Layers"].append(f"{number}.tar")  # type: ignore[attr-defined]
            info = tarfile.TarInfo(f"{number}.tar")
            info.size = os.stat(path).st_size  # noqa: PTH116
            with path.open("rb") as file:
                archive.addfile(info, file)
        _add(archive, "manifest.json", json.dumps([entry]).encode())


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))
