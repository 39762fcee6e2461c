"""The distribution's packages: what is missing, and who may install it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orkee_jupyter.dagger import packages
from orkee_jupyter.sandbox.errors import OrkeeError

from .fake_session import script

#: Two packages, of which the second is told by a file.
WANTED = {"one": "one-program", "two": "/nowhere/two"}
LINE = "apt-get install --yes --no-install-recommends one two"


@pytest.fixture(autouse=True)
def bin_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}")
    return folder


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def apt_get(bin_dir: Path, log: Path, after: str = "") -> None:
    script(bin_dir / "apt-get", f'echo "apt-get $*" >> {log}; {after}')


def become(monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)


def test_nothing_is_run_where_nothing_is_missing(bin_dir: Path, log: Path) -> None:
    apt_get(bin_dir, log)
    script(bin_dir / "one-program", "")
    told: list[str] = []
    packages.install({"one": "one-program", "shell": "/bin/sh"}, told.append)
    assert told == []
    assert not log.exists()


def test_root_installs_what_is_missing_after_saying_so(
    bin_dir: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    become(monkeypatch, 0)
    apt_get(bin_dir, log, f'echo "$DEBIAN_FRONTEND" >> {log}')
    told: list[str] = []
    packages.install(WANTED, told.append)
    assert told == ["installing the packages one, two (apt-get, as root)"]
    assert log.read_text().splitlines() == [LINE, "noninteractive"]


def test_a_user_with_sudo_installs_through_it(
    bin_dir: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    become(monkeypatch, 1000)
    apt_get(bin_dir, log, f'echo "$DEBIAN_FRONTEND" >> {log}')
    # sudo resets the environment.
    script(bin_dir / "sudo", f'shift; echo "sudo $1" >> {log}; unset DEBIAN_FRONTEND; exec "$@"')
    for name in ("env", "true"):
        (bin_dir / name).symlink_to(f"/usr/bin/{name}")
    packages.install(WANTED, lambda _: None)
    assert log.read_text().splitlines() == ["sudo true", "sudo env", LINE, "noninteractive"]


@pytest.mark.parametrize("sudo", [None, "exit 1"])
def test_without_root_and_sudo_the_line_for_an_administrator_is_given(
    bin_dir: Path, log: Path, monkeypatch: pytest.MonkeyPatch, sudo: str | None
) -> None:
    become(monkeypatch, 1000)
    apt_get(bin_dir, log)
    if sudo is not None:
        script(bin_dir / "sudo", sudo)
    with pytest.raises(OrkeeError) as caught:
        packages.install(WANTED, lambda _: None)
    assert caught.value.code == "no_engine"
    assert caught.value.remedy == f"Ask an administrator to run: sudo {LINE}"
    assert caught.value.details == {"packages": ["one", "two"]}
    assert not log.exists()


def test_an_old_list_of_packages_is_refreshed(
    bin_dir: Path, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    become(monkeypatch, 0)
    fresh = tmp_path / "fresh"
    apt_get(bin_dir, log, f"[ $1 = update ] && : > {fresh}; [ -f {fresh} ] || exit 100")
    packages.install(WANTED, lambda _: None)
    assert log.read_text().splitlines() == [LINE, "apt-get update", LINE]


def test_an_apt_get_that_fails_is_told_with_its_last_words(
    bin_dir: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    become(monkeypatch, 0)
    apt_get(bin_dir, log, r"printf 'E: no such package \377' >&2; exit 100")
    with pytest.raises(OrkeeError, match="E: no such package") as caught:
        packages.install(WANTED, lambda _: None)
    assert caught.value.code == "no_engine"
    assert caught.value.remedy.endswith(f"sudo {LINE}")


def test_another_distribution_is_told_which_programs_are_missing() -> None:
    with pytest.raises(OrkeeError, match="one-program, /nowhere/two") as caught:
        packages.install(WANTED, lambda _: None)
    assert caught.value.details == {"packages": ["one", "two"]}
