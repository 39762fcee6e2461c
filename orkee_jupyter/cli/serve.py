"""``orkee serve``: the server without a page, for a shell or plain IPython."""

from __future__ import annotations

from typing import Annotated

import typer

from .report import reported


@reported()
def serve(
    ctx: typer.Context,
    idle_timeout: Annotated[
        float | None,
        typer.Option(min=0, help="Seconds without sandboxes after which it ends; 0 for never."),
    ] = None,
) -> None:
    """Serve sandboxes without a notebook, until idle. Clients start it by themselves."""
    from orkee_jupyter.server.headless import serve as run

    raise typer.Exit(run(idle_timeout))
