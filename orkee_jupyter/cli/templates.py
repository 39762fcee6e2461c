"""``orkee templates``: what a sandbox can be made from."""

from __future__ import annotations

from typing import Annotated

import typer

from . import servers
from .output import print_json, print_table
from .progress import Progress
from .report import reported


@reported()
def templates(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the templates: the built-in ones and your own."""
    with Progress("asking the server"):
        found = list(servers.first().templates())
    if as_json:
        print_json({"success": True, "templates": found})
        return
    keys = ("name", "image", "ports", "description", "source")
    print_table([key.upper() for key in keys], [[item.get(key) for key in keys] for item in found])
