"""``orkee sandbox stats``: what sandboxes use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from orkee_jupyter.sandbox.errors import OrkeeError

from . import servers
from .output import print_json, print_table
from .progress import Progress
from .report import reported

if TYPE_CHECKING:
    from orkee_jupyter.client import Sandbox, Stats


@reported()
def stats(
    ref: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One sandbox; without it all.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="A line every interval, until it ends.")
    ] = False,
    interval: Annotated[float, typer.Option(min=0.2, help="Seconds between two lines.")] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what sandboxes use: processors, memory, processes, network, disk of the workspace."""
    if follow and ref is None:
        raise typer.BadParameter("Name the sandbox to follow.")
    with Progress("asking the server"):
        found = [servers.get(ref)] if ref else servers.list_all(status=["active"])
    if follow:
        _follow(found[0], interval, as_json)
        return
    taken = [(each, each.stats() if ref else _stats(each)) for each in found]
    rows = [(each, used) for each, used in taken if used is not None]
    if as_json:
        data = [{"id": each.id, "name": each.name, **used.to_json()} for each, used in rows]
        print_json(data[0] if ref else data)
    elif rows:
        _print(rows)
    else:
        print("No active sandboxes")


def short(sandbox: Sandbox) -> tuple[str | None, str | None]:
    """Return processors and memory of a sandbox as a list shows them."""
    used = sandbox.last_stats
    if used is None:
        return None, None
    words = used.words()
    return words["CPU"], words["MEMORY"]


def _stats(sandbox: Sandbox) -> Stats | None:
    """Return what one of many uses; None if it has ended meanwhile."""
    try:
        return sandbox.stats()
    except OrkeeError as error:
        if error.code not in ("sandbox_not_active", "sandbox_not_found", "sandbox_lost"):
            raise
        return None


def _print(rows: list[tuple[Sandbox, Stats]]) -> None:
    heads = ("ID", "NAME", *rows[0][1].words())
    print_table(
        heads,
        [(each.short_id, each.name, *used.words(each.limits).values()) for each, used in rows],
    )


def _follow(sandbox: Sandbox, interval: float, as_json: bool) -> None:
    """Print a line for each of its samples."""
    widths: list[int] = []
    for used in sandbox.follow_stats(interval):
        if as_json:
            print(json.dumps(used.to_json()), flush=True)
            continue
        words = used.words(sandbox.limits)
        if not widths:
            widths = [max(len(head), len(text) + 4) for head, text in words.items()]
            print("  ".join(map(str.ljust, words, widths)).rstrip())
        line = "  ".join(map(str.ljust, words.values(), widths))
        print(line.rstrip(), flush=True)
