"""What ``.gitignore`` and ``.orkeeignore`` files say, as git reads them, the nearest first.

In one folder the lines of ``.orkeeignore`` come after those of ``.gitignore``, and so prevail.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from orkee_jupyter.sandbox.errors import OrkeeError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


#: Read in each folder, in this order.
FILES: Final = (".gitignore", ".orkeeignore")


class GitIgnore:
    """Tells whether git, or an ``.orkeeignore``, would leave out a path below a folder.

    ``.git`` itself is left out too.

    Asked for folders before what is in them, as a scan does, it needs no look at parents.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._specs: dict[str, GitIgnoreSpec | None] = {}

    def __call__(self, name: str, is_folder: bool) -> bool:
        """Return whether to leave a path out; ``name`` has ``/`` between its parts."""
        if name == ".git" or name.endswith("/.git"):
            return True
        parts = name.split("/")
        for depth in range(len(parts) - 1, -1, -1):
            spec = self._spec("/".join(parts[:depth]))
            if spec is not None:
                shown = "/".join(parts[depth:]) + ("/" if is_folder else "")
                verdict = spec.check_file(shown).include
                if verdict is not None:
                    return verdict
        return False

    def _spec(self, folder: str) -> GitIgnoreSpec | None:
        if folder not in self._specs:
            self._specs[folder] = _spec(self._folder / folder)
        return self._specs[folder]


def _spec(folder: Path) -> GitIgnoreSpec | None:
    from pathspec import GitIgnoreSpec

    lines = [line for name in FILES for line in _lines(folder / name)]
    return GitIgnoreSpec.from_lines(lines) if lines else None


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(errors="replace")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return []
    except OSError as error:
        raise OrkeeError(
            "file_forbidden",
            f"{str(path)!r} cannot be read: {error.strerror}.",
            "Change its permissions, or push without gitignore.",
        ) from error
    return text.splitlines()
