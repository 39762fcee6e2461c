"""``orkee sandbox pause``, ``resume`` and ``extend``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orkee_jupyter.client.secret_values import secrets_of

from . import servers
from .output import cell, print_json, until
from .progress import Progress
from .report import reported
from .streams import Ref

if TYPE_CHECKING:
    from orkee_jupyter.client import Sandbox

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@reported()
def pause(
    refs: Annotated[list[str], typer.Argument(metavar="ID...")],
    freeze: Annotated[
        bool, typer.Option("--freeze", help="Keep their processes too, standing still.")
    ] = False,
    as_json: Json = False,
) -> None:
    """End sandboxes' containers and keep their files, to be resumed later."""
    with Progress("looking for the sandboxes") as progress:
        # All are looked up first: with one wrong name none is paused.
        chosen = [servers.get(ref) for ref in refs]
        for sandbox in chosen:
            progress(f"{'freezing' if freeze else 'pausing'} {_called(sandbox)}")
            sandbox.pause(freeze=freeze)
    if as_json:
        data = [sandbox.data for sandbox in chosen]
        one = {"sandbox": data[0]} if len(data) == 1 else {"sandboxes": data}
        print_json({"success": True, **one})
        return
    for sandbox in chosen:
        print(f"Sandbox {_called(sandbox)} is {'frozen' if sandbox.frozen else sandbox.status}.")


@reported()
def resume(
    ref: Ref,
    secret: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=env:VAR|=file:PATH|=VALUE]",
            help="A secret of its that the server does not know any more; repeatable.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Start the container of a paused sandbox again, with its files, ports and command."""
    with Progress("resuming the sandbox") as progress:
        secrets = secrets_of(secret) if secret else None
        sandbox = servers.get(ref).resume(secrets=secrets, on_progress=progress)
    if as_json:
        print_json(sandbox.data)
        return
    print(f"Sandbox {_called(sandbox)} is {sandbox.status}.")
    if sandbox.host_url:
        print(cell(sandbox.host_url))


@reported()
def extend(
    ref: Ref,
    time: Annotated[str, typer.Argument(metavar="TIME", help="From now: 90, 30m, 2h, 1d.")],
    as_json: Json = False,
) -> None:
    """Have a sandbox live at least so long from now, used or not."""
    with Progress("asking the server"):
        sandbox = servers.get(ref).extend(time)
    if as_json:
        print_json(sandbox.data)
    else:
        print(f"Sandbox {_called(sandbox)} ends in {until(sandbox.expires_at)}.")


def _called(sandbox: Sandbox) -> str:
    name = f" ({cell(sandbox.name)})" if sandbox.name else ""
    return f"{cell(sandbox.short_id)}{name}"
