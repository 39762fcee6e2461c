"""Where the value of a secret comes from, for magics and commands."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from orkee_jupyter.sandbox.errors import OrkeeError

#: Bytes of a file that holds a secret.
_LONGEST: Final = 65_536


def secrets_of(texts: Iterable[str]) -> dict[str, str]:
    """Return the values of secrets by name.

    Each text is ``NAME`` (the variable of that name here), ``NAME=env:VARIABLE``,
    ``NAME=file:PATH`` (without the newline at its end) or ``NAME=VALUE``. Raises OrkeeError
    ``invalid_request``, which shows no value.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, given, source = text.partition("=")
        if not name:
            raise _invalid("A secret has no name.", "Give it as `--secret NAME=file:PATH`.")
        found[name] = _value(name, source if given else f"env:{name}")
    return found


def _value(name: str, source: str) -> str:
    kind, _, rest = source.partition(":")
    if kind == "env":
        if rest not in os.environ:
            raise _invalid(
                f"There is no variable {rest!r} for the secret {name}.",
                f"Set it, or give `--secret {name}=file:PATH`.",
            )
        return os.environ[rest]
    if kind == "file":
        return _read(name, Path(rest).expanduser())
    return source


def _read(name: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST + 1)
        if len(data) > _LONGEST:
            raise _invalid(f"The file of the secret {name} is too large.", "Give a smaller one.")
        return data.decode().removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise _invalid(
            f"The file of the secret {name} cannot be read: {error.strerror}.", "Check its path."
        ) from error
    except UnicodeDecodeError:
        raise _invalid(
            f"The file of the secret {name} is not UTF-8.", "Push it as a file instead."
        ) from None


def _invalid(cause: str, remedy: str) -> OrkeeError:
    return OrkeeError("invalid_request", cause, remedy)
