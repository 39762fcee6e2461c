"""The documentation is complete, true where a program can tell, and fit for any machine."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.main import get_command

from orkee_jupyter.cli.main import app
from orkee_jupyter.client import AsyncSandbox, Sandbox
from orkee_jupyter.magics.arguments import ALIASES, COMMANDS, parse
from orkee_jupyter.magics.cells import CELL_COMMANDS
from orkee_jupyter.sandbox.errors import CODES
from orkee_jupyter.sandbox.template_file import _KEYS as TEMPLATE_KEYS
from orkee_jupyter.sandbox.templates import BUILT_IN
from orkee_jupyter.server.app import OrkeeExtension
from orkee_jupyter.server.openapi import document

ROOT = Path(__file__).resolve().parent.parent
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
WRITTEN = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted(path for path in (ROOT / "docs").rglob("*.md")),
    ROOT / "engine" / "README.md",
    ROOT / "sandboxd" / "README.md",
]
BANNED = re.compile(
    r"\b(blazing|seamless(ly)?|effortless(ly)?|robust|powerful|cutting-edge|leverage|easily|obviously"
    r"|state-of-the-art|revolutionary|game-changing|best-in-class|world-class)\b",
    re.IGNORECASE,
)
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_MAGIC = re.compile(r"^(?:\w+ = )?%(\w+) ?(.*)$")


def text_of(path: Path) -> str:
    return path.read_text("utf-8")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def fences(*languages: str) -> list[Any]:
    """Return the fenced blocks of some languages as parameters of a test."""
    return [
        pytest.param(block, id=f"{named(path)}-{number}")
        for path in WRITTEN
        for number, (language, block) in enumerate(_FENCE.findall(text_of(path)), 1)
        if language in languages
    ]


def commands() -> Iterator[tuple[str, Any]]:
    """Yield each command of the command line that does something itself."""
    waiting = [("orkee", get_command(app))]
    while waiting:
        words, command = waiting.pop()
        inner = getattr(command, "commands", {})
        waiting += [(f"{words} {name}", each) for name, each in inner.items()]
        if not inner:
            yield words, command


@pytest.fixture(scope="module")
def guides() -> str:
    return "\n".join(text_of(path) for path in GUIDES)


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- complete -------------------------------------------------------------------------------


def test_the_reference_is_what_the_code_says(reference: ModuleType) -> None:
    assert [named(path) for path, _, _ in reference.stale()] == []


def test_every_command_is_in_a_guide_and_in_the_reference(guides: str) -> None:
    page = text_of(ROOT / "docs" / "reference" / "cli.md")
    found = dict(commands())
    assert len(found) > 15
    assert [words for words in found if words not in guides or words not in page] == []


def test_every_option_of_a_command_is_in_the_reference() -> None:
    page = text_of(ROOT / "docs" / "reference" / "cli.md")
    flags = {flag for _, command in commands() for each in command.params for flag in each.opts}
    assert [flag for flag in flags if flag.startswith("-") and f"`{flag}`" not in page] == []


def test_every_magic_is_in_a_guide_and_in_the_reference(guides: str) -> None:
    page = text_of(ROOT / "docs" / "reference" / "magics.md")
    words = [f"%sandbox {name}" for name in [*COMMANDS, *(a for a in ALIASES if a.isalpha())]]
    assert [each for each in words if f"`{each}`" not in guides] == []
    assert [name for name in COMMANDS if f"## %sandbox {name}\n" not in page] == []


def test_every_setting_is_in_the_reference() -> None:
    page = text_of(ROOT / "docs" / "reference" / "settings.md")
    names = OrkeeExtension.class_own_traits(config=True)
    assert len(names) > 5
    assert [name for name in names if f"| `{name}` |" not in page] == []


def test_every_route_is_in_the_reference() -> None:
    page = text_of(ROOT / "docs" / "reference" / "rest.md")
    routes = [
        f"## {verb.upper()} /orkee/api{path}\n"
        for path, item in document("/")["paths"].items()
        for verb in item
        if verb != "parameters"
    ]
    assert len(routes) > 8
    assert [route for route in routes if route not in page] == []


def test_every_error_code_is_in_the_reference() -> None:
    page = text_of(ROOT / "docs" / "reference" / "errors.md")
    assert [code for code in CODES if f"| `{code}` |" not in page] == []


def test_every_template_and_key_is_documented() -> None:
    page = text_of(ROOT / "docs" / "reference" / "templates.md")
    guide = text_of(ROOT / "docs" / "guides" / "templates.md")
    assert [name for name in BUILT_IN if f"| `{name}` |" not in page] == []
    assert [key for key in TEMPLATE_KEYS if f"| `{key}` |" not in guide] == []


def test_every_environment_variable_is_documented(guides: str) -> None:
    sources = "\n".join(text_of(path) for path in (ROOT / "orkee_jupyter").rglob("*.py"))
    used = set(re.findall(r"\"(ORKEE_[A-Z_]+)\"", sources)) - {
        "ORKEE_ONCE"
    }  # of a scratch container
    assert "ORKEE_URL" in used
    assert [name for name in used if f"`{name}`" not in guides] == []


def test_every_argument_of_a_create_is_in_the_python_guide() -> None:
    guide = text_of(ROOT / "docs" / "guides" / "python.md")
    arguments = set(inspect.signature(Sandbox.create).parameters) - {"template", "client"}
    assert [name for name in arguments if not re.search(rf"\b{name}\b", guide)] == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            targets = (link.partition("#")[0] for link in _LINK.findall(text_of(page)))
            waiting += [(page.parent / each).resolve() for each in targets if each.endswith(".md")]
    assert [named(path) for path in WRITTEN if path not in reached] == []


# -- true -----------------------------------------------------------------------------------


@pytest.mark.parametrize("block", fences("python"))
def test_python_in_the_docs_parses_and_names_what_exists(block: str) -> None:
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("orkee_jupyter"):
            module = importlib.import_module(str(node.module))
            assert all(hasattr(module, alias.name) for alias in node.names)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id in ("Sandbox", "AsyncSandbox"):
                kind = {"Sandbox": Sandbox, "AsyncSandbox": AsyncSandbox}[owner.id]
                method = inspect.signature(getattr(kind, node.func.attr))
                assert {each.arg for each in node.keywords} <= set(method.parameters)


@pytest.mark.parametrize("block", fences("ipython"))
def test_magics_in_the_docs_are_understood(block: str) -> None:
    if block.startswith("%%sandbox "):  # the rest is the cell's text, in any language
        first, _, _ = block.removeprefix("%%sandbox ").partition("\n")
        parse(shlex.split(first), CELL_COMMANDS)
        return
    for line in block.splitlines():
        found = _MAGIC.match(line)
        if found is None:
            ast.parse(line)
        elif found.group(1) == "sandbox":
            parse(shlex.split(found.group(2)))
        else:
            assert found.groups() == ("load_ext", "orkee_jupyter")


@pytest.mark.parametrize("block", fences("sh"))
def test_shell_commands_in_the_docs_exist(block: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    for line in block.splitlines():
        for words in shell_calls(line):
            if words[0] == "make":
                assert words[1] in targets, line
            elif words[0] == "orkee":
                check_call(words[1:], line)
            elif words[0] == "python" and words[1].startswith("scripts/"):
                assert (ROOT / words[1]).is_file(), line


def shell_calls(line: str) -> Iterator[list[str]]:
    """Yield the commands of a line: those of a pipe, and those in ``$(…)``."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;()")
    lexer.whitespace_split = True
    call: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("|;()"):
            if call:
                yield call
            call = []
        else:
            call.append(word)


def check_call(words: list[str], line: str) -> None:
    """Check that a call of ``orkee`` names commands and options that exist."""
    command = get_command(app)
    while words and hasattr(command, "commands"):
        assert words[0] in command.commands, line
        command = command.commands[words[0]]
        words = words[1:]
    known = {flag for each in command.params for flag in each.opts} | {"--help"}
    own = words[: words.index("--")] if "--" in words else words
    assert {word for word in own if word.startswith("-")} <= known, line


@pytest.mark.parametrize("path", WRITTEN, ids=named)
def test_relative_links_lead_somewhere(path: Path) -> None:
    for link in _LINK.findall(text_of(path)):
        if re.match(r"https?:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), link
        if anchor:
            assert anchor in anchors(text_of(file)), link


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    outside = re.sub(_FENCE, "", text)
    heads = re.findall(r"^#+ (.+)$", outside, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_tests_named_in_the_docs_exist() -> None:
    text = text_of(ROOT / "docs" / "reliability.md")
    found = re.findall(r"`(\w+/test_\w+\.py)`", text)
    assert found
    assert [each for each in found if not (ROOT / "tests" / each).is_file()] == []


# -- fit for any machine --------------------------------------------------------------------


@pytest.mark.parametrize("path", WRITTEN, ids=named)
def test_no_page_has_a_path_of_one_machine_or_a_word_of_advertisement(path: Path) -> None:
    text = text_of(path)
    assert re.findall(r"(?<![\w.~}])/(?:work|root|home/\w+)/\S*", text) == []
    assert [found.group() for found in BANNED.finditer(text)] == []


@pytest.mark.parametrize("path", WRITTEN, ids=named)
def test_every_page_begins_with_its_one_title(path: Path) -> None:
    outside = re.sub(_FENCE, "", text_of(path))
    assert outside.startswith("# ")
    assert len(re.findall(r"^# ", outside, re.MULTILINE)) == 1


def test_the_readme_begins_with_a_sentence_and_two_commands() -> None:
    parts = text_of(ROOT / "README.md").split("\n\n")
    assert parts[1].count(". ") == 0
    assert [line.split("#")[0].strip() for line in parts[3].splitlines()[1:3]] == [
        "make demo",
        "make test",
    ]


def test_decisions_are_numbered_and_say_context_decision_consequence() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    numbers = [int(page.name[:4]) for page in pages]
    assert len(set(numbers)) == len(numbers) >= 9
    index = text_of(ROOT / "docs" / "decisions" / "README.md")
    for page in pages:
        heads = re.findall(r"^## (\w+)", text_of(page), re.MULTILINE)
        assert {"Context", "Decision"} <= set(heads), page.name
        assert {"Consequence", "Consequences"} & set(heads), page.name
        assert page.name in index


def test_every_attack_has_tests_that_exist() -> None:
    page = text_of(ROOT / "docs" / "security.md")
    table = page.partition("## Attacks, and the tests that make them")[2].partition("\n## ")[0]
    rows = [row for row in table.splitlines() if row.startswith("| ")][2:]
    assert len(rows) >= 20
    for row in rows:
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", row)
        assert named, f"no test: {row}"
        for file, name in named:
            assert re.search(rf"def {name}\(", text_of(ROOT / "tests" / file)), f"{file}::{name}"
