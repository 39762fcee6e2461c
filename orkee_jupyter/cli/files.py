"""``orkee sandbox push``, ``pull``, ``sync``, ``files``, ``cat``, ``write``: files in and out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from orkee_jupyter.sandbox.errors import OrkeeError

from . import servers
from .output import cell, print_json, print_table
from .progress import Progress
from .report import reported

if TYPE_CHECKING:
    from collections.abc import Callable

    from orkee_jupyter.client import Sandbox

Place = Annotated[
    str, typer.Argument(metavar="ID[:PATH]", help="A sandbox, and what in it; else its workspace.")
]
FilePlace = Annotated[str, typer.Argument(metavar="ID:PATH", help="A sandbox, and a file in it.")]
Local = Annotated[str, typer.Argument(metavar="LOCAL", help="A file or folder here.")]
GitIgnore = Annotated[
    bool, typer.Option("--gitignore", help="Leave out what git ignores, and .git.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to ``orkee sandbox``."""
    for name, verb in (
        ("push", push),
        ("pull", pull),
        ("sync", sync),
        ("files", files),
        ("cat", cat),
        ("write", write),
    ):
        app.command(name)(verb)


@reported()
def push(local: Local, place: Place, gitignore: GitIgnore = False, as_json: Json = False) -> None:
    """Copy a file, or what is in a folder, into a sandbox."""
    ref, path = split(place)
    with Progress(f"pushing {local}") as progress:
        pushed = servers.get(ref).push(
            local, path or None, gitignore=gitignore, on_progress=_shown(progress, "pushing")
        )
    if as_json:
        print_json({"success": True, "files": pushed.files, "bytes": pushed.bytes})


@reported()
def pull(
    place: Place,
    local: Annotated[
        str | None, typer.Argument(metavar="LOCAL", help="Where to; by default its own name here.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Copy a file, or what is in a folder, out of a sandbox. Nothing is written elsewhere."""
    ref, path = split(place)
    with Progress(f"pulling {path or 'the workspace'}") as progress:
        pulled = servers.get(ref).pull(path or ".", local, on_progress=_shown(progress, "pulling"))
    for name in pulled.skipped:
        print(f"left out, for it leads out of the folder: {cell(name)}", file=sys.stderr)
    if as_json:
        facts = {"path": str(pulled.path), "files": pulled.files, "bytes": pulled.bytes}
        print_json({"success": True, **facts, "skipped": pulled.skipped})


@reported()
def sync(
    local: Local,
    place: Place,
    gitignore: GitIgnore = False,
    delete: Annotated[bool, typer.Option(help="Remove there what is not here.")] = False,
    as_json: Json = False,
) -> None:
    """Copy into a sandbox what has changed in a folder: by size, time and mode."""
    ref, path = split(place)
    with Progress(f"syncing {local}") as progress:
        synced = servers.get(ref).sync(
            local,
            path or ".",
            gitignore=gitignore,
            delete=delete,
            on_progress=_shown(progress, "syncing"),
        )
    if as_json:
        facts = {"sent": list(synced.sent), "removed": list(synced.removed), "same": synced.same}
        print_json({"success": True, **facts})
        return
    for name in synced.removed:
        print(f"removed {cell(name)}")
    for name in synced.sent:
        print(f"sent {cell(name)}")


@reported()
def files(
    place: Place,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Also what is in the folders in it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List what is in a folder of a sandbox."""
    ref, path = split(place)
    with Progress("asking the server"):
        found = servers.get(ref).files.list(path or ".", recursive=recursive)
    if as_json:
        from dataclasses import asdict

        print_json([asdict(entry) for entry in found])
        return
    import stat
    import time

    kinds = {"file": stat.S_IFREG, "directory": stat.S_IFDIR, "symlink": stat.S_IFLNK}
    print_table(
        ("MODE", "SIZE", "CHANGED", "NAME"),
        [
            (
                stat.filemode(kinds.get(entry.type, 0) | entry.mode),
                entry.size if entry.type == "file" else None,
                time.strftime("%Y-%m-%d %H:%M", time.localtime(max(0.0, entry.mtime))),
                entry.path + (f" -> {entry.target}" if entry.target else ""),
            )
            for entry in found
        ],
    )


@reported()
def cat(place: FilePlace) -> None:
    """Print a file of a sandbox, byte for byte."""
    ref, path = split(place, file=True)
    with Progress("asking the server"):
        sandbox = servers.get(ref)
    for chunk in sandbox.files.chunks(path):
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


@reported()
def write(
    place: FilePlace,
    mode: Annotated[str | None, typer.Option(metavar="0644", help="Its permissions.")] = None,
) -> None:
    """Write standard input to a file in a sandbox; the old one stays until all has come."""
    ref, path = split(place, file=True)
    bits = _mode(mode)
    with Progress("asking the server"):
        sandbox: Sandbox = servers.get(ref)
    sandbox.files.write(path, sys.stdin.buffer, mode=bits)


def split(place: str, *, file: bool = False) -> tuple[str, str]:
    """Return the reference and the path of ``ID[:PATH]``. Raises ``invalid_request``."""
    ref, _, path = place.partition(":")
    if not ref or (file and not path):
        raise OrkeeError(
            "invalid_request",
            f"{place!r} does not name a {'file of a ' if file else ''}sandbox.",
            "Give it as ID:PATH, such as web:data.csv.",
        )
    return ref, path


def _mode(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777:
        raise typer.BadParameter(f"{text!r} is no mode: give it as 0644.")
    return mode


def _shown(progress: Progress, verb: str) -> Callable[[int, int | None], None]:
    """Return what tells a progress line how far a transfer is, a few times a second."""
    import time

    from orkee_jupyter.client.transfers import told

    last = 0.0

    def show(done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > 0.2:
            last = now
            progress(f"{verb} {told(done, total)}")

    return show
