"""``orkee sandbox snapshot``, ``fork`` and ``snapshots``."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from . import servers
from .output import cell, print_json, print_table
from .progress import Progress
from .report import reported
from .streams import Ref

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the snapshot.")]

app = typer.Typer(help="List what was kept by `snapshot`, or remove it.")


@reported()
def snapshot(
    ref: Ref,
    name: Name,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also if there is one of that name.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Keep a sandbox's files under a name; create --from NAME begins with them."""
    with Progress("looking for the sandbox") as progress:
        kept = servers.get(ref).snapshot(name, replace=replace, on_progress=progress)
    if as_json:
        print_json(dict(kept.data))
    else:
        print(f"Snapshot {cell(str(kept))} is kept.")


@reported()
def fork(
    ref: Ref,
    name: Annotated[str | None, typer.Option(help="A name for the new sandbox.")] = None,
    as_json: Json = False,
) -> None:
    """Start another sandbox like this one, with a copy of its files."""
    with Progress("forking the sandbox") as progress:
        sandbox = servers.get(ref).fork(name, on_progress=progress)
    if as_json:
        print_json(sandbox.data)
        return
    named = f" ({cell(sandbox.name)})" if sandbox.name else ""
    print(f"Sandbox {cell(sandbox.short_id)}{named} is {sandbox.status}.")
    if sandbox.host_url:
        print(cell(sandbox.host_url))


@app.command("list")
@reported()
def list_(as_json: Json = False) -> None:
    """List the snapshots, newest first."""
    from orkee_jupyter.client import show_bytes

    with Progress("asking the server"):
        found = servers.first().snapshots()
    if as_json:
        print_json([dict(each.data) for each in found])
    elif found:
        print_table(
            ("NAME", "SIZE", "MADE", "OF", "TEMPLATE", "IMAGE"),
            [
                (
                    each.name,
                    show_bytes(each.size),
                    time.strftime("%Y-%m-%d %H:%M", time.localtime(each.created_at)),
                    each.sandbox_name or each.sandbox_id[:12],
                    each.template,
                    each.image,
                )
                for each in found
            ],
        )
    else:
        print("No snapshots")


@app.command("rm")
@reported()
def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Of snapshots.")],
    as_json: Json = False,
) -> None:
    """Remove snapshots. Sandboxes that were made from them keep their files."""
    with Progress("removing"):
        client = servers.first()
        for name in names:
            client.remove_snapshot(name)
    if as_json:
        print_json({"success": True, "removed": names})
        return
    for name in names:
        print(f"Snapshot {cell(name)} is removed.")


@app.callback(invoke_without_command=True)
def snapshots(ctx: typer.Context) -> None:
    """List what was kept by `snapshot`, or remove it."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)
