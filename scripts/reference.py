"""Write ``docs/reference/`` from the code: errors, command line, magics, settings, REST, templates.

``--check`` writes nothing and fails when a page is stale.
"""

from __future__ import annotations

import argparse
import difflib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from typer.main import get_command

from orkee_jupyter.cli.main import app
from orkee_jupyter.magics import help as magic_help
from orkee_jupyter.magics.arguments import COMMANDS
from orkee_jupyter.magics.cells import CELL_COMMANDS
from orkee_jupyter.problems import STATUS
from orkee_jupyter.sandbox.errors import CODES
from orkee_jupyter.sandbox.templates import BUILT_IN
from orkee_jupyter.server.app import OrkeeExtension

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "reference"
OPENAPI = ROOT / "orkee_jupyter" / "server" / "openapi.yml"
API = "/orkee/api"
NOTE = "<!-- Written by scripts/reference.py (`make reference`). Do not edit. -->"

Json = Mapping[str, Any]
#: Traitlets' names of types, in words.
KINDS = {"Unicode": "text", "Int": "whole number", "Float": "number", "Enum": "one of a few words"}


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, with what would break a cell escaped."""
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    for row in rows:
        cells = [" ".join(text.split()).replace("|", "\\|") for text in row]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def code(text: object) -> str:
    """Return a text as code, nothing for nothing."""
    return f"`{text}`" if text not in (None, "") else ""


def page(title: str, *parts: str) -> str:
    """Return a whole page."""
    return "\n\n".join([f"# {title}", NOTE, *(part for part in parts if part)]) + "\n"


# -- errors ---------------------------------------------------------------------------------


def errors() -> str:
    """Return the page of error codes."""
    rows = [(code(name), str(STATUS[name]), meaning) for name, meaning in CODES.items()]
    return page(
        "Error codes",
        "An error has one stable code, wherever it shows: in a REST answer, a cell, the command "
        "line or as `OrkeeError.code` in Python. The HTTP status belongs to the REST answer.",
        table(("Code", "HTTP status", "Meaning"), rows),
    )


# -- command line ---------------------------------------------------------------------------


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield each command that is not hidden, with the words that call it."""
    yield path, command
    for name, each in getattr(command, "commands", {}).items():
        if not each.hidden:
            yield from commands(each, f"{path} {name}")


def aliases(path: str, command: Any) -> list[str]:
    """Return the hidden names of a group's commands, such as ``ls``."""
    return [f"{path} {n}" for n, each in getattr(command, "commands", {}).items() if each.hidden]


def usage(path: str, command: Any) -> str:
    """Return the usage line of a command."""
    words = [path, "[OPTIONS]" if any(True for _ in options(command)) else ""]
    if hasattr(command, "commands"):
        words.append("COMMAND")
    for each in command.params:
        if each.param_type_name == "argument":
            name = (each.metavar or each.name.upper()).strip("[].").removesuffix("]...")
            name += "..." if each.nargs == -1 else ""
            words.append(name if each.required else f"[{name}]")
    if path in ("orkee sandbox create", "orkee sandbox exec"):
        words = [word for word in words if "COMMAND" not in word]
        words.append("-- COMMAND..." if path.endswith("exec") else "[-- COMMAND...]")
    return " ".join(word for word in words if word)


def options(command: Any) -> Iterator[Any]:
    """Yield the options of a command."""
    for each in command.params:
        if each.param_type_name == "option" and not each.hidden:
            yield each


def option_row(option: Any) -> tuple[str, str]:
    """Return the flags of an option and what it does."""
    flags = ", ".join(f"`{flag}`" for flag in sorted(option.opts, key=len))
    word = max(option.opts, key=len).removeprefix("--").replace("-", "_").upper()
    value = "" if option.is_flag else f" {code(option.metavar or word)}"
    return f"{flags}{value}", option.help or ""


def command_line() -> str:
    """Return the page of the command line."""
    root = get_command(app)
    parts: list[str] = []
    for path, command in commands(root, "orkee"):
        text = inspect.cleandoc(command.help or "")
        also = aliases(path, command)
        rows = [option_row(option) for option in options(command)]
        parts += [f"## {path}", text, f"    {usage(path, command)}"]
        if also:
            parts.append(f"Also: {', '.join(code(each) for each in also)}.")
        if rows:
            parts.append(table(("Option", "Does"), rows))
    return page("Command line", "Each command takes `--help` too.", *parts)


# -- magics ---------------------------------------------------------------------------------


def magics() -> str:
    """Return the page of the magics: what ``%sandbox help`` prints."""
    parts = [f"```text\n{magic_help.overview()}\n```"]
    for command in [*COMMANDS.values(), *CELL_COMMANDS.values()]:
        text = magic_help.of_command(command.name)
        parts += [f"## {command.magic}", f"```text\n{text}\n```"]
    about = "`%load_ext orkee_jupyter` brings one magic, `%sandbox`, for lines and for cells."
    return page("Magics", about, *parts)


# -- settings -------------------------------------------------------------------------------


def settings() -> str:
    """Return the page of the server extension's traits."""
    rows = [
        (
            code(name),
            KINDS.get(type(trait).__name__, type(trait).__name__),
            code(trait.default_value_repr()),
            " ".join(trait.help.split()),
        )
        for name, trait in sorted(OrkeeExtension.class_own_traits(config=True).items())
    ]
    return page(
        "Server settings",
        "Traits of the server extension `OrkeeExtension`: on a command line "
        "`--OrkeeExtension.NAME=VALUE` (of `jupyter lab` and the like), in "
        "`jupyter_server_config.py` as `c.OrkeeExtension.NAME = VALUE`.",
        table(("Name", "Type", "Default", "Meaning"), rows),
    )


# -- REST -----------------------------------------------------------------------------------


def kind(schema: Json) -> str:
    """Return a schema's type in words."""
    if "$ref" in schema:
        return f"[{(name := schema['$ref'].split('/')[-1])}](#{name.lower()})"
    if "const" in schema:
        return code(str(schema["const"]).lower())
    if "enum" in schema:
        return ", ".join(code("null" if each is None else each) for each in schema["enum"])
    if "oneOf" in schema:
        return " or ".join(kind(each) for each in schema["oneOf"])
    if isinstance(schema.get("type"), list):
        return " or ".join(schema["type"])
    if schema.get("type") == "array":
        return f"array of {kind(schema['items'])}" if "items" in schema else "array"
    extra = schema.get("additionalProperties")
    if schema.get("type") == "object" and isinstance(extra, dict):
        return f"object of {kind(extra)}"
    return str(schema.get("type", "any"))


def described(schema: Json) -> str:
    """Return a schema's description with its default."""
    default = f"default {code(schema['default'])}" if "default" in schema else ""
    return "; ".join(part for part in (str(schema.get("description", "")), default) if part)


def resolve(document: Json, schema: Json) -> Json:
    """Return what a reference stands for."""
    while "$ref" in schema:
        found: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        schema = found
    return schema


def operation(document: Json, path: str, verb: str, item: Json) -> Iterator[str]:
    """Yield the parts that describe one route."""
    its = item[verb]
    yield f"## {verb.upper()} {API}{path}"
    yield f"{its['summary']}."
    yield str(its.get("description", "")).strip()
    given = [
        resolve(document, each)
        for each in [*item.get("parameters", []), *its.get("parameters", [])]
    ]
    if given:
        rows = [
            (
                code(each["name"]),
                each["in"],
                kind(each["schema"]),
                described({**each["schema"], "description": each.get("description", "")}),
            )
            for each in given
        ]
        yield table(("Parameter", "In", "Type", "Meaning"), rows)
    for media in its.get("requestBody", {}).get("content", {}).values():
        yield f"Body: {kind(media['schema'])}."
    answers = [
        (status if status != "default" else "other", code(media), kind(content["schema"]))
        for status, answer in its["responses"].items()
        for media, content in resolve(document, answer)["content"].items()
    ]
    yield table(("Status", "Content", "Body"), answers)


def schema_parts(name: str, schema: Json) -> Iterator[str]:
    """Yield the parts that describe one kind of object."""
    yield f"### {name}"
    yield str(schema.get("description", "")).strip()
    if "properties" in schema:
        yield members(schema, "Required" if name.endswith("Request") else "Always there")
    elif "oneOf" in schema:
        yield "One of:"
        for number, each in enumerate(schema["oneOf"], 1):
            if "properties" not in each:
                yield f"{number}. {kind(each) if '$ref' in each else ', '.join(each['required'])}"
                continue
            also = f" with {kind(each['allOf'][0])}" if "allOf" in each else ""
            yield f"{number}. An object{also}:"
            yield members(each, "Always there")
    else:
        yield kind(schema)


def members(schema: Json, required_head: str) -> str:
    """Return the table of an object's members."""
    required = schema.get("required", [])
    return table(
        ("Member", "Type", required_head, "Meaning"),
        [
            (code(name), kind(each), "yes" if name in required else "no", described(each))
            for name, each in schema["properties"].items()
        ],
    )


def rest() -> str:
    """Return the page of the REST interface."""
    document = yaml.safe_load(OPENAPI.read_text(encoding="utf-8"))
    parts = [document["info"]["description"].strip()]
    parts.append("A running server shows the same as OpenAPI 3.1 at `/orkee/api/openapi.json`.")
    for path, item in document["paths"].items():
        for verb in item:
            if verb != "parameters":
                parts += operation(document, path, verb, item)
    parts.append("## Objects")
    for name, schema in document["components"]["schemas"].items():
        parts += schema_parts(name, schema)
    return page("REST interface", *parts)


# -- templates ------------------------------------------------------------------------------


def templates() -> str:
    """Return the page of the built-in templates."""
    rows = [
        (
            code(each.name),
            code(each.image),
            ", ".join(str(port) for port in each.ports) or "none",
            code(each.working_directory),
            each.description,
        )
        for each in BUILT_IN.values()
    ]
    return page(
        "Built-in templates",
        "`orkee templates` and `%sandbox templates` list these and your own. How to write your "
        "own: [Templates](../guides/templates.md).",
        table(("Name", "Image", "Ports", "Working directory", "Description"), rows),
    )


PAGES: Mapping[str, Callable[[], str]] = {
    "errors.md": errors,
    "cli.md": command_line,
    "magics.md": magics,
    "settings.md": settings,
    "rest.md": rest,
    "templates.md": templates,
}


def stale() -> Iterator[tuple[Path, str, str]]:
    """Yield each page that differs from what the code says: its path, present and wanted text."""
    for name, make in PAGES.items():
        target = TARGET / name
        present = target.read_text(encoding="utf-8") if target.is_file() else ""
        wanted = re.sub(r"[ \t]+\n", "\n", make())
        if present != wanted:
            yield target, present, wanted


def main() -> int:
    """Write or check every page; return the exit code."""
    parser = argparse.ArgumentParser(description="Write docs/reference from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail if stale")
    check = parser.parse_args().check
    found = list(stale())
    for target, present, wanted in found:
        if check:
            name = str(target.relative_to(ROOT))
            lines = difflib.unified_diff(
                present.splitlines(), wanted.splitlines(), name, "from the code", lineterm=""
            )
            print(*lines, sep="\n")
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(wanted, encoding="utf-8")
    if check and found:
        print("docs/reference is stale: run `make reference`.", file=sys.stderr)
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main())
