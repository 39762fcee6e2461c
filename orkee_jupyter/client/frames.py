"""Tables to and from Arrow files: pandas, polars and pyarrow, none of which has to be there."""

from __future__ import annotations

import importlib
import importlib.util
import re
import tempfile
from typing import IO, Any, Final

from orkee_jupyter.sandbox.errors import OrkeeError

FOLDER: Final = ".orkee/frames"
KINDS: Final = ("pandas", "polars", "arrow")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_IN_MEMORY: Final = 8 << 20  # bytes of a table's file that need no disk


def path_of(name: str) -> str:
    """Return the path in the workspace of a table's file. Raises ``invalid_path``."""
    if not _NAME.fullmatch(name):
        raise OrkeeError(
            "invalid_path",
            f"{name!r} cannot be the name of a frame.",
            "Use up to 128 letters, digits, '.', '_' and '-'.",
        )
    return f"{FOLDER}/{name}.arrow"


def spool() -> IO[bytes]:
    """Return a temporary file, in memory as long as it is small."""
    return tempfile.SpooledTemporaryFile(_IN_MEMORY)


def write(frame: Any, file: IO[bytes]) -> None:
    """Write a table as an Arrow file, and go back to its begin."""
    table = _to_table(frame)
    ipc = _package("pyarrow.ipc")
    with ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    file.seek(0)


def read(file: IO[bytes], kind: str | None) -> Any:
    """Return the table in an Arrow file that somebody wrote who is not trusted."""
    if kind is not None and kind not in KINDS:
        raise OrkeeError(
            "invalid_request", f"There is no kind of frame {kind!r}.", f"Use {', '.join(KINDS)}."
        )
    arrow, ipc = _package("pyarrow"), _package("pyarrow.ipc")
    file.seek(0)
    try:
        table = ipc.open_file(file).read_all()
        table.validate(full=True)  # or offsets that lie would be followed
    except (arrow.ArrowException, OSError) as error:
        raise OrkeeError(
            "invalid_archive",
            f"The file in the sandbox is no Arrow file: {error}.",
            "Write it with put_frame, pandas' to_feather or polars' write_ipc.",
        ) from error
    return _from_table(table, kind or _kind())


def _kind() -> str:
    """Return the kind of frame that this process knows."""
    for kind in ("pandas", "polars"):
        if importlib.util.find_spec(kind) is not None:
            return kind
    return "arrow"


def _from_table(table: Any, kind: str) -> Any:
    if kind == "arrow":
        return table
    if kind == "pandas":
        _package("pandas")
        return table.to_pandas()
    return _package("polars").from_arrow(table)


def _to_table(frame: Any) -> Any:
    arrow = _package("pyarrow")
    if isinstance(frame, arrow.Table):
        return frame
    if isinstance(frame, arrow.RecordBatch):
        return arrow.Table.from_batches([frame])
    origin = type(frame).__module__.partition(".")[0]
    try:
        if origin == "polars" and hasattr(frame, "to_arrow"):
            table = frame.to_arrow()
            if isinstance(table, arrow.Table):
                return table
        elif origin == "pandas":
            return arrow.Table.from_pandas(frame)
    except (arrow.ArrowException, TypeError, AttributeError) as error:
        raise _no_table(f"it cannot be written as Arrow ({error})") from error
    raise _no_table(f"it is of {type(frame).__module__}.{type(frame).__qualname__}")


def _no_table(why: str) -> OrkeeError:
    return OrkeeError(
        "invalid_request",
        f"That is no table: {why}.",
        "Give a pandas or polars DataFrame, or a pyarrow Table.",
    )


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        top = name.partition(".")[0]
        raise OrkeeError(
            "missing_package",
            f"Frames need the package {top!r}, which is not installed here.",
            "Install it: pip install 'orkee-jupyter[frames]'.",
        ) from error
