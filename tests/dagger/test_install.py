"""The build of the native engine: what is built, what is kept, and who builds."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from orkee_jupyter import paths
from orkee_jupyter.dagger import install, packages
from orkee_jupyter.sandbox.errors import OrkeeError

from .fake_session import script
from .native_case import until

#: Writes the program's name into the file that ``-o`` names.
BUILD = r"""
[ "$1" = env ] && { echo go1.26.0; exit; }
echo "$@" >> LOG
while [ "$1" != -o ]; do shift; done
BEFORE
echo "$3" > "$2"
"""


class Case:
    """A machine on which everything is installed but the engine."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = tmp_path
        self.log = tmp_path / "log"
        self.sources = tmp_path / "sources"
        (self.sources / "distconsts").mkdir(parents=True)
        for name in ("go.mod", "go.sum", "main.go", "main_test.go", "distconsts/consts.go"):
            (self.sources / name).write_text("first")
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
        monkeypatch.setattr(packages, "ENGINE", {})
        monkeypatch.setattr(install, "source_dir", lambda: self.sources)
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        self.go()

    @property
    def bin(self) -> Path:
        return paths.engine_dir() / "bin"

    def go(self, before: str = ":") -> None:
        text = BUILD.replace("LOG", str(self.log)).replace("BEFORE", before)
        script(self.folder / "bin" / "go", text)

    def built(self) -> list[str]:
        """Return the names of the programs that were built since the last call."""
        targets = [line.split()[-1] for line in self.log.read_text().splitlines()]
        self.log.write_text("")
        names = {target: name for name, target in install.PROGRAMS.items()}
        return [names[target] for target in targets]


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    return Case(tmp_path, monkeypatch)


def quiet(step: str) -> None: ...


def test_everything_is_built_once(case: Case) -> None:
    told: list[str] = []
    assert install.install(told.append) is True
    assert case.built() == list(install.PROGRAMS)
    assert told[0].startswith("building dagger-engine v0.19.10: about 5 minutes")
    assert install.install(told.append) is False
    assert case.built() == []
    assert told[-1] == "the native engine is installed"


def test_what_is_built_can_be_executed_and_nothing_else_is_left(case: Case) -> None:
    install.install(quiet)
    names = {path.name for path in case.bin.iterdir() if not path.name.endswith(".sha256")}
    assert names == set(install.PROGRAMS)
    assert {path.stat().st_mode & 0o777 for path in case.bin.iterdir() if path.suffix == ""} == {
        0o755
    }


def test_a_build_that_fails_is_told_and_resumed(case: Case) -> None:
    case.go(r"[ $3 = github.com/dagger/dagger/cmd/init ] && { printf 'no \377' >&2; exit 1; }")
    with pytest.raises(OrkeeError, match="Building dagger-init failed: no ") as caught:
        install.install(quiet)
    assert caught.value.code == "no_engine"
    assert case.built() == ["dagger-engine", "dagger", "dagger-init"]
    case.go()
    install.install(quiet)
    assert case.built() == ["dagger-init", "dnsname", "orkee-engine", "runc-shim"]


def test_the_rest_of_an_install_that_was_killed_is_cleared_away(case: Case) -> None:
    (case.bin / ".build-left").mkdir(parents=True)
    (case.bin / ".build-left" / "dagger-engine").write_text("half")
    install.install(quiet)
    assert not (case.bin / ".build-left").exists()


@pytest.mark.parametrize(
    ("name", "rebuilt"),
    [
        ("go.sum", list(install.PROGRAMS)),
        ("distconsts/consts.go", list(install.PROGRAMS)),
        ("main.go", ["orkee-engine", "runc-shim"]),
        ("main_test.go", []),
    ],
)
def test_what_its_sources_have_changed_is_built_again(
    case: Case, name: str, rebuilt: list[str]
) -> None:
    install.install(quiet)
    case.built()
    (case.sources / name).write_text("second")
    install.install(quiet)
    assert case.built() == rebuilt


def test_a_program_that_went_missing_is_built_again(case: Case) -> None:
    install.install(quiet)
    case.built()
    (case.bin / "dnsname").unlink()
    install.install(quiet)
    assert case.built() == ["dnsname"]


def test_two_installs_at_once_build_once(case: Case) -> None:
    reached, go_on = case.folder / "reached", case.folder / "go-on"
    case.go(f": > {reached}; until [ -e {go_on} ]; do sleep 0.01; done")
    first = threading.Thread(target=install.install, args=(quiet,))
    first.start()
    until(reached.exists, 5)
    told: list[str] = []
    second = threading.Thread(target=install.install, args=(told.append,))
    second.start()
    until(lambda: told == ["waiting for another install to finish"], 5)
    go_on.touch()
    first.join()
    second.join()
    assert case.built() == list(install.PROGRAMS)
    assert told[-1] == "the native engine is installed"


def test_an_install_that_is_killed_lets_the_next_one_in(case: Case) -> None:
    case.bin.mkdir(parents=True)
    code = "import fcntl, os, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX);"
    lock = str(paths.engine_dir() / "install.lock")
    subprocess.run([sys.executable, "-c", code + "os._exit(1)", lock], check=False)
    assert install.install(quiet) is True


def test_packages_that_cannot_be_installed_are_an_error_before_any_build(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "ENGINE", {"one": "one-program"})
    monkeypatch.setenv("PATH", str(case.folder / "bin"))
    with pytest.raises(OrkeeError, match="one-program"):
        install.install(quiet)
    assert not case.log.exists()


def test_the_engines_sources_are_found() -> None:
    assert (install.source_dir() / "go.mod").is_file()
