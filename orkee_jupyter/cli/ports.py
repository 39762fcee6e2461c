"""``orkee sandbox wait`` and ``link``: until a sandbox serves, and how a browser gets there."""

from __future__ import annotations

from typing import Annotated

import typer

from . import servers
from .output import cell, print_json
from .progress import Progress
from .report import reported
from .streams import Ref


@reported()
def wait(
    ref: Ref,
    condition: Annotated[
        str,
        typer.Argument(
            metavar="CONDITION", help="port:3000, http:3000/health, log:REGEX or exec:COMMAND."
        ),
    ],
    timeout: Annotated[float, typer.Option(help="Seconds.")] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Wait until a sandbox is ready."""
    with Progress("waiting"):
        sandbox = servers.get(ref).wait_for(condition, timeout)
    if as_json:
        print_json(sandbox.data)
    elif sandbox.host_url:
        print(cell(sandbox.host_url))


@reported()
def link(ref: Ref, port: Annotated[int, typer.Argument(metavar="PORT", min=1, max=65535)]) -> None:
    """Print a link to a port through the server, which needs no login for an hour or so."""
    with Progress("asking the server"):
        found = servers.get(ref).proxy_link(port, full=True)
    print(cell(found))
