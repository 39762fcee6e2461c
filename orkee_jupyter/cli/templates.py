"""``orkee templates``: what a sandbox can be made from."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from . import servers
from .output import cell, print_json, print_table
from .progress import Progress
from .report import reported


@reported()
def templates(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the templates: the built-in ones and your own."""
    with Progress("asking the server"):
        client = servers.first()
        found = list(client.templates())
        problems = client.template_problems()
    if as_json:
        from orkee_jupyter.problems import to_problem

        listed = [to_problem(each) for each in problems]
        print_json({"success": True, "templates": found, "problems": listed})
        return
    keys = ("name", "image", "ports", "description", "source")
    print_table([key.upper() for key in keys], [[item.get(key) for key in keys] for item in found])
    for problem in problems:
        print(f"left out: {cell(problem.cause)} {cell(problem.remedy)}", file=sys.stderr)
