"""``orkee``: the command line. Start-up time matters, so most imports stand in functions."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from . import engine, sandbox, serve, templates

app = typer.Typer(
    name="orkee",
    help="Containers for people who work in notebooks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(sandbox.app, name="sandbox")
app.add_typer(engine.app, name="engine")
app.command("templates")(templates.templates)
app.command("serve")(serve.serve)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(version("orkee-jupyter"))
        except PackageNotFoundError:
            print("not installed: run from its source folder")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Containers for people who work in notebooks."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    # httpx imports a terminal interface of its own, rich and all, where it can: 50 ms.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    words, tail = split(list(sys.argv[1:] if arguments is None else arguments))
    app(args=words, obj=tail, prog_name="orkee")


def split(words: list[str]) -> tuple[list[str], list[str] | None]:
    """Return the words for us, and those after ``--`` of a verb that takes a command.

    Done before parsing, for ``create -- node`` must not take ``node`` for a template.
    """
    takes = words[:1] == ["sandbox"] and words[1:2] in (["create"], ["exec"], ["shell"])
    if not takes or "--" not in words:
        return words, None
    place = words.index("--")
    return words[:place], words[place + 1 :]
