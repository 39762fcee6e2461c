"""Who may import whom: the import table of docs/architecture.md, held against the sources.

A package's modules import what its :class:`Layer` names and nothing else. ``lazy`` are the
exceptions: one module each, inside a function or for type checking only, so that nothing of it
is loaded with the module.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAME = "orkee_jupyter"
PACKAGE = ROOT / NAME


@dataclass(frozen=True)
class Layer:
    """What a package may import: parts of ours, and distributions beyond the standard library."""

    ours: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    lazy: Mapping[str, frozenset[str]] = field(default_factory=dict)


def names(text: str = "") -> frozenset[str]:
    return frozenset(text.split())


JUPYTER = "jupyter_server traitlets tornado yaml"
LAYERS: Mapping[str, Layer] = {
    "sandbox": Layer(),
    "store": Layer(names("sandbox"), names("duckdb")),
    "dagger": Layer(names("sandbox paths sandboxd.binary"), names("dagger httpx")),
    "sandboxd": Layer(names("sandbox")),
    "archive": Layer(names("sandbox"), names("pathspec")),
    "server": Layer(
        names("sandbox archive problems paths"),
        names(JUPYTER),
        {"server.wiring": names("dagger.engine store.repository store.shelf sandboxd.hub")},
    ),
    # A sandbox shows itself as a card where there is a notebook.
    "client": Layer(
        names("sandbox archive problems paths"),
        names("httpx websockets"),
        {"client.record": names("magics.cards")},
    ),
    "magics": Layer(
        names("client"),
        names("IPython traitlets"),
        # Sent into a sandbox as text: there it runs with that one's Python.
        {
            "magics.inside.kernel": names("ipykernel jupyter_client zmq"),
            # `%sandbox dashboard` shows the widget; without it nobody pays for ipywidgets.
            "magics.dashboard_verb": names("widget"),
        },
    ),
    # `comm` is what ipywidgets itself sends its messages by.
    "widget": Layer(names("client"), names("anywidget comm traitlets ipywidgets")),
    # Of the domain the command line takes the error type and, for annotations, the model.
    "cli": Layer(
        names("client sandbox.errors"),
        names("typer"),
        {
            "cli.engine": names("dagger"),
            "cli.serve": names("server.headless"),
            "cli.report": names("problems"),
            "cli.templates": names("problems"),
            "cli.streams": names("sandbox.model"),
            "cli.progress": names("rich"),
        },
    ),
    "paths": Layer(names("sandbox.errors"), names("platformdirs")),
    "problems": Layer(names("sandbox.errors")),
    "__init__": Layer(
        lazy={"__init__": names("client sandbox.errors server.app magics.magics widget")},
    ),
}


@dataclass(frozen=True)
class Import:
    """One import: of ours without the package's name, of others the top-level name."""

    target: str
    line: int
    is_ours: bool
    is_lazy: bool


def imports(source: str, module: str, is_package: bool = False) -> Iterator[Import]:
    """Yield what a module imports, also what it names to ``import_module``."""
    tree = ast.parse(source)
    here = [NAME, *module.split(".")]
    base = here if is_package and module != "__init__" else here[:-1]
    lazy = set(_lazy(tree))
    dynamic = any(
        isinstance(n, ast.Attribute) and n.attr == "import_module" for n in ast.walk(tree)
    )
    for node in ast.walk(tree):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = base[: len(base) - node.level + 1] if node.level else []
            origin = ".".join([*start, *([node.module] if node.module else [])])
            whole = origin == NAME  # from .. import paths
            found = [f"{origin}.{a.name}" for a in node.names] if whole else [origin]
        elif dynamic and isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = re.findall(rf"^{NAME}(?:\.\w+)+$", node.value)
            lazy.add(node)
        for target in found:
            is_ours = target == NAME or target.startswith(f"{NAME}.")
            shown = target.removeprefix(f"{NAME}.") if is_ours else target.split(".")[0]
            yield Import(shown, getattr(node, "lineno", 0), is_ours, node in lazy)


def _lazy(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if inside or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield from ast.walk(node)


def covers(allowed: frozenset[str], target: str) -> bool:
    return any(target == each or target.startswith(f"{each}.") for each in allowed)


def violations(source: str, module: str, is_package: bool = False) -> list[str]:
    """Return a sentence for each import that the table does not allow."""
    home = module.split(".", maxsplit=1)[0]
    layer = LAYERS.get(home)
    if layer is None:
        return [f"{module} has no line in the import table"]
    wrong = []
    for each in imports(source, module, is_package):
        if each.is_lazy and covers(layer.lazy.get(module, frozenset()), each.target):
            continue
        if each.is_ours:
            fits = covers(layer.ours | {home}, each.target)
        else:
            fits = each.target in sys.stdlib_module_names or each.target in layer.others
        if not fits:
            wrong.append(f"{module}:{each.line} imports {each.target}")
    return wrong


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        inner = parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts
        yield ".".join(inner), path


def test_every_module_imports_only_what_the_table_allows() -> None:
    wrong = [
        sentence
        for module, path in modules()
        for sentence in violations(path.read_text("utf-8"), module, path.name == "__init__.py")
    ]
    assert not wrong, "\n".join(wrong)


def test_the_table_has_no_line_without_a_package() -> None:
    assert {module.split(".")[0] for module, _ in modules()} == set(LAYERS)


@pytest.mark.parametrize(
    ("module", "source", "target"),
    [
        ("sandbox.create", "import httpx", "httpx"),
        ("sandbox.create", "from ..store import repository", "store"),
        ("sandbox.create", "from .. import paths", "paths"),
        ("sandbox.create", "def f():\n    import duckdb", "duckdb"),
        ("store.rows", "import dagger", "dagger"),
        ("dagger.engine", "from ..sandboxd.hub import Hub", "sandboxd.hub"),
        ("dagger.engine", "import duckdb", "duckdb"),
        ("sandboxd.hub", "from tornado import web", "tornado"),
        ("server.base", "def f():\n    from ..dagger.engine import DaggerEngine", "dagger.engine"),
        ("server.wiring", "from ..store.repository import DuckDBStore", "store.repository"),
        ("server.wiring", "def f():\n    import duckdb", "duckdb"),
        ("client.transport", "from orkee_jupyter.server.routes import ROUTES", "server.routes"),
        ("client._async.sandbox", "from ...server import app", "server"),
        ("magics.cards", "from ..sandbox.model import Sandbox", "sandbox.model"),
        ("cli.sandbox", "def f():\n    from orkee_jupyter.dagger.native import X", "dagger.native"),
        ("cli.engine", "from orkee_jupyter.dagger.native import NativeEngine", "dagger.native"),
        ("problems", "import yaml", "yaml"),
    ],
)
def test_an_import_that_is_not_allowed_is_found(module: str, source: str, target: str) -> None:
    lines = source.count("\n") + 1
    assert violations(source, module) == [f"{module}:{lines} imports {target}"]


def test_a_name_given_to_import_module_counts_as_an_import() -> None:
    source = "import importlib\nx = importlib.import_module('orkee_jupyter.server.app')"
    assert violations(source, "client.record") == ["client.record:2 imports server.app"]


def test_a_package_without_a_line_is_found() -> None:
    assert violations("", "panel.view") == ["panel.view has no line in the import table"]


@pytest.mark.parametrize(
    "module", ["orkee_jupyter", "orkee_jupyter.cli.main", "orkee_jupyter.magics.magics"]
)
def test_what_a_person_touches_loads_no_server_engine_or_database(module: str) -> None:
    code = (
        f"import sys, {module}; print(*{{'dagger', 'duckdb', 'jupyter_server'}} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == ""


def test_sql_is_written_in_the_store_only() -> None:
    statement = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|ALTER TABLE|CREATE TABLE)\s")
    found = [
        module
        for module, path in modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and statement.match(node.value)
        and module.split(".")[0] != "store"
    ]
    assert found == []


def test_the_daemon_needs_little_beyond_gos_standard_library() -> None:
    allowed = ("golang.org/x/", "github.com/creack/pty")
    text = (ROOT / "sandboxd" / "go.mod").read_text("utf-8")
    required = re.findall(r"^\s*(?:require\s+)?([\w.-]+\.[\w.-]+/\S+) v\S+", text, re.MULTILINE)
    assert [each for each in required if not each.startswith(allowed)] == []
