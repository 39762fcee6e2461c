"""``%sandbox push``, ``pull``, ``sync``, ``files`` and ``cat``, and ``%%sandbox write``."""

from __future__ import annotations

import contextlib
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Final

from ..client import FileEntry
from ..client.transfers import OnProgress, human, told
from .arguments import REFERENCE, Arguments, Command, Option, invalid
from .errors import SandboxInterrupted
from .saying import called, say
from .terminal import one_line

if TYPE_CHECKING:
    from .magics import SandboxMagics

_SHOWN: Final = 1000  # entries of a folder in one cell
WRITE: Final = Command(
    "write",
    "Write the text of the cell to a file in a sandbox.",
    (Option("--mode", "MODE", "its permissions, such as 0755"),),
    positional="ID:PATH",
    values=REFERENCE,
    least=1,
    most=1,
    example="%%sandbox write web:server.py",
    cell=True,
)

Action = Callable[["SandboxMagics", Arguments, Mapping[str, Any]], Any]


def place(word: str) -> tuple[str, str]:
    """Return the reference and the path of ``ID[:PATH]``; the path may be empty."""
    ref, _, path = word.partition(":")
    if not ref:
        raise invalid(f'"{word}" names no sandbox.', "Give it as ID:PATH, such as `web:data.csv`.")
    return ref, path


def _file_place(word: str) -> tuple[str, str]:
    ref, path = place(word)
    if not path:
        raise invalid(f'"{word}" names no file.', f"Give it as `{ref}:PATH`.")
    return ref, path


def push(magics: SandboxMagics, arguments: Arguments, names: Mapping[str, Any]) -> None:
    """Copy a file or folder into a sandbox."""
    local, word = arguments.words
    ref, path = place(word)
    sandbox = magics.find(ref, names)
    with _transfer(magics, f"pushing {local}") as progress:
        pushed = sandbox.push(
            local, path or None, gitignore=arguments.has("gitignore"), on_progress=progress
        )
    say(f"{_files(pushed.files)} ({human(pushed.bytes)}) went into {called(sandbox)}.")


def pull(magics: SandboxMagics, arguments: Arguments, names: Mapping[str, Any]) -> None:
    """Copy a file or folder out of a sandbox."""
    ref, path = place(arguments.words[0])
    sandbox = magics.find(ref, names)
    local = arguments.words[1] if len(arguments.words) > 1 else None
    with _transfer(magics, f"pulling {path or 'the workspace'}") as progress:
        pulled = sandbox.pull(path or ".", local, on_progress=progress)
    say(f"{_files(pulled.files)} ({human(pulled.bytes)}) came to {one_line(pulled.path)}.")
    if pulled.skipped:
        shown = ", ".join(one_line(name, 60) for name in pulled.skipped[:5])
        say(f"Left out, for they lead out of the folder: {shown}.")


def sync(magics: SandboxMagics, arguments: Arguments, names: Mapping[str, Any]) -> None:
    """Push of a folder what has changed."""
    local, word = arguments.words
    ref, path = place(word)
    sandbox = magics.find(ref, names)
    with _transfer(magics, f"syncing {local}") as progress:
        synced = sandbox.sync(
            local,
            path or ".",
            gitignore=arguments.has("gitignore"),
            delete=arguments.has("delete"),
            on_progress=progress,
        )
    removed = f", {len(synced.removed)} removed" if synced.removed else ""
    say(
        f"{len(synced.sent)} sent ({human(synced.bytes)}){removed}, "
        f"{synced.same} as before in {called(sandbox)}."
    )


def files(magics: SandboxMagics, arguments: Arguments, names: Mapping[str, Any]) -> FileList:
    """Return what is in a folder of a sandbox."""
    ref, path = place(arguments.words[0])
    return FileList(
        magics.find(ref, names).files.list(path or ".", recursive=arguments.has("recursive"))
    )


def cat(magics: SandboxMagics, arguments: Arguments, names: Mapping[str, Any]) -> None:
    """Show a file of a sandbox, with what drives a terminal taken out."""
    ref, path = _file_place(arguments.words[0])
    sandbox = magics.find(ref, names)
    read_all = f"orkee sandbox cat {sandbox.short_id}:PATH > file"
    with (
        contextlib.closing(sandbox.files.chunks(path)) as chunks,
        magics.writer(read_all) as writer,
    ):
        for chunk in chunks:
            writer.feed("stdout", chunk)


def write(magics: SandboxMagics, arguments: Arguments, text: str, names: Mapping[str, Any]) -> None:
    """Write a cell's text to a file."""
    ref, path = _file_place(arguments.words[0])
    mode = arguments.one("mode")
    if mode is not None and not (mode.isdecimal() and len(mode) <= 4 and set(mode) <= set(_OCTAL)):
        raise invalid(f'"{mode}" is no mode.', "Give it as `--mode 0755`.")
    sandbox = magics.find(ref, names)
    size = sandbox.files.write(path, text, mode=None if mode is None else int(mode, 8))
    say(f"{human(size)} written to {one_line(path)} in {called(sandbox)}.")


_OCTAL: Final = "01234567"
ACTIONS: Final[Mapping[str, Action]] = {
    "push": push,
    "pull": pull,
    "sync": sync,
    "files": files,
    "cat": cat,
}


@contextlib.contextmanager
def _transfer(magics: SandboxMagics, what: str) -> Iterator[OnProgress]:
    """Show how far a transfer is, once it takes more than a second."""
    what = one_line(what, 60)
    try:
        with magics.progress(what) as line:
            yield lambda done, total: line(f"{what} {told(done, total)}")
    except KeyboardInterrupt:
        raise SandboxInterrupted(
            "Interrupted: what had not arrived whole is as it was before."
        ) from None


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


class FileList(list[FileEntry]):
    """The entries of a folder, shown as a table."""

    def __init__(self, entries: Sequence[FileEntry]) -> None:
        super().__init__(entries)

    def _rows(self) -> list[tuple[str, str, str, str]]:
        return [
            (
                stat.filemode(_FORMATS.get(entry.type, 0) | entry.mode),
                human(entry.size) if entry.type == "file" else "",
                time.strftime("%Y-%m-%d %H:%M", time.localtime(max(0.0, entry.mtime))),
                _name(entry),
            )
            for entry in self[:_SHOWN]
        ]

    def _more(self) -> str:
        return f"… and {len(self) - _SHOWN} more" if len(self) > _SHOWN else ""

    def __repr__(self) -> str:
        if not self:
            return "The folder is empty"
        lines = [f"{mode}  {size:>8}  {at}  {name}" for mode, size, at, name in self._rows()]
        return "\n".join([*lines, self._more()]).rstrip()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        rows = "".join(
            "<tr>" + "".join(f"<td {_CELL}>{escape(text)}</td>" for text in row) + "</tr>"
            for row in self._rows()
        )
        table = f'<table class="orkee-files">{rows}</table>{escape(self._more())}'
        return {"text/plain": repr(self), "text/html": table if self else escape(repr(self))}


_CELL: Final = 'style="text-align:left;font-family:var(--jp-code-font-family, monospace)"'
_FORMATS: Final = {"file": stat.S_IFREG, "directory": stat.S_IFDIR, "symlink": stat.S_IFLNK}


def _name(entry: FileEntry) -> str:
    name = one_line(entry.path)
    if entry.type == "symlink":
        return f"{name} -> {one_line(entry.target or '')}"
    return f"{name}/" if entry.type == "directory" else name
