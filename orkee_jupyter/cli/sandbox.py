"""``orkee sandbox``: make, list, show, stop and clean sandboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from orkee_jupyter.client.secret_values import secrets_of

from . import (
    files,
    lifecycle,
    ports,
    processes,
    query,
    servers,
    shell,
    snapshots,
    stats,
    streams,
    values,
)
from .output import cell, print_facts, print_json, print_table, until
from .progress import Progress
from .report import reported

if TYPE_CHECKING:
    from orkee_jupyter.client import Sandbox

app = typer.Typer(help="Make, use and stop sandboxes.", no_args_is_help=True)
app.command("exec")(streams.exec_)
app.command("logs")(streams.logs)
files.register(app)
app.command("wait")(ports.wait)
app.command("link")(ports.link)
app.command("ps")(processes.ps)
app.command("attach")(processes.attach)
app.command("shell")(shell.shell)
app.command("kill")(processes.kill)
app.command("stats")(stats.stats)
app.command("pause")(lifecycle.pause)
app.command("resume")(lifecycle.resume)
app.command("extend")(lifecycle.extend)
app.command("snapshot")(snapshots.snapshot)
app.command("fork")(snapshots.fork)
app.add_typer(snapshots.app, name="snapshots")
app.command("sql")(query.sql)

_AT_ONCE = 8  # stops under way
RUNNING = ["creating", "active", "paused"]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Ref = Annotated[str, typer.Argument(metavar="ID", help="An id, the beginning of one, or a name.")]


@app.command("create")
@reported()
def create(
    ctx: typer.Context,
    template: Annotated[str | None, typer.Argument(help="What to make it from.")] = None,
    template_option: Annotated[
        str | None, typer.Option("--template", "-t", help="The same as TEMPLATE.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="A name to use in place of the id.")] = None,
    image: Annotated[str | None, typer.Option(help="Another image than the template's.")] = None,
    snapshot: Annotated[
        str | None,
        typer.Option("--from", metavar="SNAPSHOT", help="Begin with the files of a snapshot."),
    ] = None,
    project: Annotated[str | None, typer.Option(help="The project it belongs to.")] = None,
    port: Annotated[
        list[str] | None,
        typer.Option(
            "--port", "-p", metavar="[HOST:]PORT", help="A port it listens on; repeatable."
        ),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", "-e", metavar="KEY[=VALUE]", help="A variable; repeatable."),
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=env:VAR|=file:PATH|=VALUE]",
            help="A variable that is kept in memory only; repeatable.",
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(metavar="full|none|allow:HOST,…", help="What it may reach; full."),
    ] = None,
    link: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A sandbox that it reaches by its name; repeatable."),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="A label; repeatable.")
    ] = None,
    ttl: Annotated[str | None, typer.Option(help="Lifetime without use: 90, 30m, 2h.")] = None,
    working_directory: Annotated[
        str | None, typer.Option("--working-directory", "-w", help="Where commands run.")
    ] = None,
    mount: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Copy this folder into the workspace first."),
    ] = None,
    gitignore: Annotated[
        bool, typer.Option("--gitignore", help="Leave out of --mount what git ignores, and .git.")
    ] = False,
    wait: Annotated[
        list[str] | None,
        typer.Option(metavar="CONDITION", help="Until port:N, http:N/PATH, log:REGEX, exec:CMD."),
    ] = None,
    wait_timeout: Annotated[float, typer.Option(help="Seconds of the waiting.")] = 60.0,
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="At most so much memory: 256m, 1.5g.")
    ] = None,
    cpus: Annotated[
        float | None, typer.Option(help="At most so many processors' time: 1.5.")
    ] = None,
    pids: Annotated[int | None, typer.Option(help="At most so many processes and threads.")] = None,
    on_expiry: Annotated[
        str | None, typer.Option(metavar="VERB", help="When its ttl is over: stop or pause.")
    ] = None,
    timeout: Annotated[
        str | None, typer.Option(metavar="TIME", help="End it after so long in any case: 90, 30m.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Start a sandbox. Its main command stands behind --: orkee sandbox create node -- node x.js"""
    if template and template_option and template != template_option:
        raise typer.BadParameter("TEMPLATE and --template name two templates.")
    with Progress("creating the sandbox") as progress:
        sandbox = servers.first().create(
            template or template_option,
            name=name,
            image=image,
            snapshot=snapshot,
            project=project,
            ports=values.ports(port) if port else None,
            env=values.pairs("--env", env, inherit=True) if env else None,
            secrets=secrets_of(secret) if secret else None,
            network=network,
            links=link or None,
            labels=values.pairs("--label", label) if label else None,
            ttl=ttl,
            on_expiry=on_expiry,
            command=values.command(ctx.obj) if ctx.obj else None,
            working_directory=working_directory,
            mount=mount,
            gitignore=gitignore,
            wait=wait or (),
            wait_timeout=wait_timeout,
            timeout=timeout,
            memory=memory,
            cpus=cpus,
            pids=pids,
            on_progress=progress,
        )
    if as_json:
        print_json(sandbox.data)
        return
    print(f"{called(sandbox)} is {sandbox.status}.")
    if sandbox.host_url:
        print(cell(sandbox.host_url))


@app.command("list")
@app.command("ls", hidden=True)
@reported()
def list_(
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Also those that have ended.")
    ] = False,
    status: Annotated[
        list[str] | None, typer.Option(help="Only in this state; repeatable.")
    ] = None,
    project: Annotated[str | None, typer.Option(help="Only of this project.")] = None,
    name: Annotated[str | None, typer.Option(help="Only of this name.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only with this label.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the sandboxes that run or are paused, newest first."""
    with Progress("asking the server"):
        found = servers.list_all(
            status=status or (None if everything else RUNNING),
            project=project,
            name=name,
            labels=values.pairs("--label", label) if label else None,
        )
    if as_json:
        print_json([sandbox.data for sandbox in found])
    elif found:
        _print_sandboxes(found)
    else:
        print("No sandboxes" if everything or status else "No active sandboxes")


@app.command("get")
@reported()
def get(ref: Ref, as_json: Json = False) -> None:
    """Show all that is known of a sandbox."""
    with Progress("asking the server"):
        sandbox = servers.get(ref)
    if as_json:
        print_json(sandbox.data)
    else:
        print_facts(sandbox.data)


@app.command("stop")
@reported()
def stop(
    refs: Annotated[Optional[list[str]], typer.Argument(metavar="ID...")] = None,  # noqa: UP045
    everything: Annotated[bool, typer.Option("--all", help="Stop every one.")] = False,
    as_json: Json = False,
) -> None:
    """Stop sandboxes: their containers and workspaces are removed."""
    if everything == bool(refs):
        raise typer.BadParameter("Name the sandboxes to stop, or give --all.")
    from concurrent.futures import ThreadPoolExecutor

    with Progress("looking for the sandboxes") as progress:
        # All are looked up first: with one wrong name none is stopped.
        chosen = [servers.get(ref) for ref in refs] if refs else servers.list_all(status=RUNNING)
        chosen = list({sandbox.id: sandbox for sandbox in chosen}.values())
        progress(f"stopping {', '.join(map(called, chosen))}")
        # An orderly end takes seconds, so all end at once.
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            ended = list(pool.map(_stopped if everything else _stop, chosen))
        stopped = [sandbox for sandbox, done in zip(chosen, ended, strict=True) if done]
    if as_json:
        one = len(stopped) == 1 and not everything
        data = [sandbox.data for sandbox in stopped]
        print_json({"success": True, **({"sandbox": data[0]} if one else {"sandboxes": data})})
        return
    for sandbox in stopped:
        print(f"{called(sandbox)} is {sandbox.status}.")
    if not stopped:
        print("No active sandboxes")


@app.command("clean")
@reported()
def clean(as_json: Json = False) -> None:
    """End the sandboxes whose time is over, and say which."""
    with Progress("cleaning"):
        cleaned = [
            sandbox for client in [servers.first(), *servers.others()] for sandbox in client.clean()
        ]
    if as_json:
        print_json({"success": True, "cleaned": [sandbox.data for sandbox in cleaned]})
        return
    for sandbox in cleaned:
        print(f"{called(sandbox)} had expired and is {sandbox.status} now.")
    if not cleaned:
        print("No expired sandboxes")


def called(sandbox: Sandbox) -> str:
    """Return how a sandbox is called in a sentence."""
    name = f" ({cell(sandbox.name)})" if sandbox.name else ""
    return f"Sandbox {cell(sandbox.short_id)}{name}"


def _stop(sandbox: Sandbox) -> bool:
    sandbox.stop()
    return True


def _stopped(sandbox: Sandbox) -> bool:
    """Stop one of all; return False if it had ended by itself meanwhile."""
    from orkee_jupyter.sandbox.errors import OrkeeError

    try:
        sandbox.stop()
    except OrkeeError as error:
        if error.code not in ("sandbox_not_active", "sandbox_not_found"):
            raise
        return False
    return True


def _print_sandboxes(found: list[Sandbox]) -> None:
    heads = ("ID", "NAME", "STATUS", "TEMPLATE", "PROJECT", "CPU", "MEMORY", "URL", "ENDS IN")
    print_table(
        heads,
        [
            (
                sandbox.short_id,
                sandbox.name,
                "frozen" if sandbox.frozen else sandbox.status,
                sandbox.template,
                sandbox.project,
                *stats.short(sandbox),
                sandbox.host_url,
                until(sandbox.expires_at) if sandbox.status in RUNNING else None,
            )
            for sandbox in found
        ],
    )
