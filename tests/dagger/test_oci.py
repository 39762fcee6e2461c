"""Image archives, read back as the image-spec says."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from orkee_jupyter.dagger import oci


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give the tar of a root file system with one file."""
    path = tmp_path / "root.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("etc/motd")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"hello"))
    return path


@pytest.fixture
def entries(root: Path, tmp_path: Path) -> dict[str, bytes]:
    """Give the files of the archive that is made of it."""
    target = tmp_path / "image.tar"
    oci.write_archive(root, target, env=["A=1"], command=["sh"], labels={"made": "here"})
    with tarfile.open(target) as archive:
        files = {each.name: archive.extractfile(each) for each in archive.getmembers()}
        return {name: file.read() for name, file in files.items() if file is not None}


def blob(entries: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    """Return what a descriptor names, after a look at its size."""
    data = entries["blobs/" + descriptor["digest"].replace(":", "/")]
    assert len(data) == descriptor["size"]
    return data


def test_every_blob_has_the_digest_that_it_is_named_by(entries: dict[str, bytes]) -> None:
    blobs = {name: data for name, data in entries.items() if name.startswith("blobs/")}
    assert len(blobs) == 3
    for name, data in blobs.items():
        assert name == f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"


def test_the_index_leads_to_configuration_and_layer(entries: dict[str, bytes], root: Path) -> None:
    assert json.loads(entries["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (described,) = json.loads(entries["index.json"])["manifests"]
    manifest = json.loads(blob(entries, described))
    assert described["mediaType"] == manifest["mediaType"]
    (layer,) = manifest["layers"]
    assert blob(entries, layer) == root.read_bytes()
    config = json.loads(blob(entries, manifest["config"]))
    assert config["rootfs"] == {"type": "layers", "diff_ids": [layer["digest"]]}
    assert config["config"] == {"Env": ["A=1"], "Cmd": ["sh"], "Labels": {"made": "here"}}
    assert (config["os"], config["architecture"]) == ("linux", oci.architecture())


@pytest.mark.parametrize(
    ("machine", "name"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("riscv64", "riscv64")]
)
def test_the_architecture_has_its_name_in_oci(
    machine: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert oci.architecture() == name


def test_equal_roots_are_equal_images(root: Path, tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        oci.write_archive(root, tmp_path / name, env=[], command=[], labels={"b": "1", "a": "2"})
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]
