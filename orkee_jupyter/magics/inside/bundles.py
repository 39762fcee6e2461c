"""Values as MIME bundles, by the methods that IPython knows."""

from __future__ import annotations

import base64
import io
import pprint
from typing import Any, Tuple  # noqa: UP035

from .wire import Message

_LONGEST = 8 << 20  # bytes of one representation; more is left out
_METHODS = (
    ("text/html", "_repr_html_"),
    ("image/svg+xml", "_repr_svg_"),
    ("image/png", "_repr_png_"),
    ("image/jpeg", "_repr_jpeg_"),
)


def bundle(value: Any) -> Tuple[Message, Message]:  # noqa: UP006
    """Return the MIME bundle and metadata of a value. What fails is left out."""
    data: Message = {}
    metadata: Message = {}
    if not isinstance(value, type):
        _add(data, metadata, None, _call(value, "_repr_mimebundle_"))
        for mime, method in _METHODS:
            if mime not in data:
                _add(data, metadata, mime, _call(value, method))
        if not data and type(value).__name__ == "Figure" and hasattr(value, "savefig"):
            _add(data, metadata, "image/png", _figure(value))
    if "text/plain" not in data:
        try:
            data["text/plain"] = pprint.pformat(value, width=100, compact=True)
        except Exception as error:
            data["text/plain"] = f"<{type(value).__name__}: no repr: {error}>"
    return data, metadata


def _call(value: Any, method: str) -> Any:
    try:
        function = getattr(value, method, None)
        return function() if callable(function) else None
    except Exception:
        return None


def _add(data: Message, metadata: Message, mime: str | None, found: Any) -> None:
    if isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], dict):
        found, extra = found
        metadata.update(extra if mime is None else {mime: extra})
    if mime is None:
        for name, each in found.items() if isinstance(found, dict) else ():
            _add(data, metadata, str(name), each)
        return
    if isinstance(found, bytes):
        found = base64.b64encode(found).decode()
    if isinstance(found, str) and len(found) <= _LONGEST:
        data[mime] = found


def _figure(figure: Any) -> Any:
    file = io.BytesIO()
    try:
        figure.savefig(file, format="png", bbox_inches="tight")
    except Exception:
        return None
    return file.getvalue()
