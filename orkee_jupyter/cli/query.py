"""``orkee sandbox sql``: a SELECT over what was."""

from __future__ import annotations

import csv
import json
import sys
from typing import Annotated, Any

import typer

from . import servers
from .output import plain, print_json, print_table
from .progress import Progress
from .report import reported


@reported()
def sql(
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help="A SELECT; - reads it from the input.")
    ],
    rows: Annotated[int | None, typer.Option(help="Rows at most; 10,000.", min=1)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, an object a row.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
) -> None:
    """Ask sessions, events, execs and logs by SQL; `DESCRIBE execs` names the columns."""
    text = sys.stdin.read() if query == "-" else query
    with Progress("asking the server"):
        found = servers.first().sql(text, rows=rows)
    if as_json:
        print_json(found.dicts())
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(found.columns)
        writer.writerows([_flat(value) for value in row] for row in found)
    elif found.rows:
        print_table([plain(name) for name in found.columns], [list(row) for row in found])
    else:
        print("No rows")
    for note in found.notes:
        typer.echo(note, err=True)
    if found.cut:
        typer.echo(f"There are more than these {len(found)} rows: see --rows.", err=True)


def _flat(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value
