"""Turn a root file system's tar into an OCI image archive (image-spec 1.1, image layout)."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_SPEC = "application/vnd.oci.image"


def architecture() -> str:
    """Return this machine's architecture as OCI names it."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def write_archive(
    root: Path,
    target: Path,
    *,
    env: Sequence[str],
    command: Sequence[str],
    labels: Mapping[str, str],
) -> None:
    """Write ``target``, an OCI image archive whose one layer is the tar ``root``."""
    with root.open("rb") as file:
        layer = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    config = _json(
        {
            "architecture": architecture(),
            "os": "linux",
            "config": {"Env": list(env), "Cmd": list(command), "Labels": dict(labels)},
            "rootfs": {"type": "layers", "diff_ids": [layer]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_SPEC}.manifest.v1+json",
            "config": _descriptor(f"{_SPEC}.config.v1+json", config),
            "layers": [
                {
                    "mediaType": f"{_SPEC}.layer.v1.tar",
                    "digest": layer,
                    "size": root.stat().st_size,
                }
            ],
        }
    )
    index = {
        "schemaVersion": 2,
        "manifests": [_descriptor(f"{_SPEC}.manifest.v1+json", manifest)],
    }
    with tarfile.open(target, "w") as archive:
        _add(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(archive, "index.json", _json(index))
        for blob in (config, manifest):
            _add(archive, _blob_path(_digest(blob)), blob)
        info = tarfile.TarInfo(_blob_path(layer))
        info.size = root.stat().st_size
        with root.open("rb") as file:
            archive.addfile(info, file)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def _descriptor(media_type: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}


def _blob_path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))
