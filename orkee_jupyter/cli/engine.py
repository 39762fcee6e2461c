"""``orkee engine``: which Dagger engine is used, and the native one's life."""

from __future__ import annotations

import sys
from collections.abc import Coroutine, Mapping
from typing import Annotated, Any, Optional, TypeVar

import typer

from orkee_jupyter.sandbox.errors import OrkeeError

from .output import cell, plain, print_json, print_table
from .progress import Progress
from .report import reported

app = typer.Typer(help="See, install, start and stop the Dagger engine.", no_args_is_help=True)
T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("status")
@reported()
def status(as_json: Json = False) -> None:
    """Say which engine is in use, and why the others are not."""
    with Progress("asking for the engine"):
        facts = _of_server() or _of_machine()
    if as_json:
        print_json({"success": True, "engine": facts})
    else:
        _print_status(facts)


@app.command("install")
@reported()
def install(as_json: Json = False) -> None:
    """Build and install the native engine. The first time takes some minutes."""
    from orkee_jupyter.dagger.install import install as run

    with Progress("installing the engine", delay=0) as progress:
        built = run(progress)
    _done("The engine is installed.", as_json, built=built)


@app.command("images")
@reported()
def images(
    names: Annotated[Optional[list[str]], typer.Argument(metavar="[IMAGE]...")] = None,  # noqa: UP045
    as_json: Json = False,
) -> None:
    """Build stand-ins for base images, for a machine that no image registry answers."""
    from orkee_jupyter.dagger.images import build

    with Progress("building images", delay=0) as progress:
        built = _run(build(progress, names or ()))
    _done(f"Built: {', '.join(built)}." if built else "Nothing to build.", as_json, images=built)


@app.command("start")
@reported()
def start(as_json: Json = False) -> None:
    """Start the native engine and wait until it is ready."""
    from orkee_jupyter.dagger.native import NativeEngine

    with Progress("starting the engine") as progress:
        _run(NativeEngine().start(progress))
    _done("The engine runs.", as_json)


@app.command("stop")
@reported()
def stop(as_json: Json = False) -> None:
    """Stop the native engine and every container in it."""
    from orkee_jupyter.dagger.native import NativeEngine

    with Progress("stopping the engine"):
        _run(NativeEngine().stop())
    _done("The engine is stopped.", as_json)


@app.command("purge")
@reported()
def purge(
    with_images: Annotated[bool, typer.Option("--images", help="The built images too.")] = False,
    as_json: Json = False,
) -> None:
    """Stop the native engine and remove its layers, caches and workspaces."""
    from orkee_jupyter.dagger.native import NativeEngine

    with Progress("removing the engine's state"):
        _run(NativeEngine().purge(images=with_images))
    _done("The engine's state is removed.", as_json)


@app.command("logs")
@reported()
def logs(
    tail: Annotated[int, typer.Option("--tail", "-n", min=1, help="So many last lines.")] = 100,
    as_json: Json = False,
) -> None:
    """Print the end of the native engine's log."""
    from orkee_jupyter.dagger.native import NativeEngine

    engine = NativeEngine()
    lines = engine.log_tail(tail)
    if as_json:
        print_json({"success": True, "path": str(engine.log_path), "lines": lines})
        return
    for line in lines:
        print(plain(line))
    print(f"The whole log is {engine.log_path}.", file=sys.stderr)


def _print_status(facts: Mapping[str, Any]) -> None:
    """Print the engine in use with what is known of it, then every candidate and why."""
    chosen = facts.get("chosen")
    if chosen is None:
        print("No engine can be used.")
    else:
        print(f"In use: {cell(_named(facts))} (Dagger {cell(facts.get('version'))})")
        native = facts.get("native") if chosen == "native" else None
        known = {"address": facts.get("runner_host"), **(native or {})}
        for name in ("address", "state", "network", "registry", "pid"):
            if known.get(name):
                print(f"  {name:9} {cell(known[name])}")
    print()
    rows = [
        [each.get("kind"), "yes" if each.get("usable") else "no", each.get("reason")]
        for each in facts.get("candidates", ())
    ]
    print_table(["ENGINE", "USABLE", "WHY"], rows)
    if facts.get("remedy"):
        print(f"\n{cell(facts['remedy'])}")


def _named(facts: Mapping[str, Any]) -> str:
    """Return what the engine in use is; of a configured one, what its address says."""
    chosen = str(facts.get("chosen"))
    scheme = str(facts.get("runner_host") or "").partition(":")[0]
    tool = chosen if chosen != "configured" else scheme.partition("-")[0]
    name = {"docker": "Docker", "podman": "Podman"}.get(tool, chosen)
    return f"{name}, as configured" if chosen == "configured" and name != chosen else name


def _of_server() -> Mapping[str, Any] | None:
    """Return what a running server says, None if none runs."""
    from orkee_jupyter.client.discovery import locate

    if locate() is None:
        return None
    from . import servers

    try:
        return servers.first().engine()
    except OrkeeError as error:
        if error.code != "server_unreachable":
            raise
        return None  # it ended just now


def _of_machine() -> Mapping[str, Any]:
    from orkee_jupyter.dagger.status import engine_status

    return dict(_run(engine_status()))


def _run(work: Coroutine[Any, Any, T]) -> T:
    import asyncio  # here, since other verbs must not pay for it

    return asyncio.run(work)


def _done(sentence: str, as_json: bool, **facts: object) -> None:
    if as_json:
        print_json({"success": True, **facts})
    else:
        print(sentence)
