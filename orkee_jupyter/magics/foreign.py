"""What an interpreter in a sandbox wants shown, as MIME bundles that a notebook may show.

All of it is untrusted: a notebook's page has the user's rights. HTML goes into a frame that
runs no script, has an origin of its own and loads nothing; SVG into an image; text loses its
control sequences. Kinds that a notebook would run or trust are left out.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from html import escape
from typing import Any, Final

from .terminal import TextStream

#: Bytes of one picture or table; a larger one is named, not shown.
LIMIT: Final = 8 << 20
_PICTURES: Final = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; media-src data:"
)
#: Tables as a notebook has them, in the colours that the reader's system asks for.
_STYLE: Final = (
    ":root{color-scheme:light dark}body{margin:0;font:13px system-ui,sans-serif;overflow:auto}"
    "table{border-collapse:collapse;font-size:12px}th,td{padding:4px 8px;text-align:right}"
    "thead{border-bottom:1px solid}tbody tr:nth-child(odd){background:rgba(128,128,128,.12)}"
)
_LINE: Final = 26  # pixels of a table's row
_LEAST, _MOST = 48, 600  # pixels of a frame
_ROW: Final = re.compile(r"<(?:tr|p|br|li|h[1-6]|hr|pre|div|caption)\b", re.IGNORECASE)
_TALL: Final = re.compile(r"<(?:svg|img|canvas|video|figure)\b", re.IGNORECASE)

Bundle = dict[str, Any]


def safe_bundle(data: Mapping[str, Any], metadata: Mapping[str, Any]) -> tuple[Bundle, Bundle]:
    """Return the bundle and metadata to show for those that came from inside."""
    shown: Bundle = {"text/plain": plain(_text(data.get("text/plain")))}
    html = _text(data.get("text/html"))
    svg = _text(data.get("image/svg+xml"))
    if html and len(html) <= LIMIT:
        shown["text/html"] = frame(html)
    elif svg and len(svg) <= LIMIT:
        shown["text/html"] = drawing(svg)
    for mime, head in _PICTURES.items():
        picture = _text(data.get(mime))
        if picture and _is_picture(picture, head):
            shown[mime] = picture
    return shown, {mime: _size(metadata.get(mime)) for mime in shown if mime in _PICTURES}


def plain(text: str) -> str:
    """Return text without what a terminal or a page would take for more than text and colour."""
    return TextStream().feed(text.encode("utf-8", "replace"))


def frame(html: str) -> str:
    """Return a frame that shows HTML without any right."""
    document = (
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        f"<style>{_STYLE}</style>{html}"
    )
    return (
        '<iframe sandbox="" referrerpolicy="no-referrer" loading="lazy" '
        'title="HTML made in the sandbox" '
        f'style="width:100%;height:{_height(html)}px;border:0;resize:vertical" '
        f'srcdoc="{escape(document)}"></iframe>'
    )


def drawing(svg: str) -> str:
    """Return an image of an SVG: as an image it runs no script and loads nothing."""
    data = base64.b64encode(svg.encode("utf-8", "replace")).decode()
    return (
        '<img alt="SVG made in the sandbox" style="max-width:100%" '
        f'src="data:image/svg+xml;base64,{data}">'
    )


def _height(html: str) -> int:
    """Return the pixels that HTML may need: the page cannot ask a frame without an origin."""
    rows = len(_ROW.findall(html)) * _LINE + _LINE
    return max(_LEAST, min(_MOST, rows + (300 if _TALL.search(html) else 0)))


def _is_picture(text: str, head: bytes) -> bool:
    if len(text) > LIMIT:
        return False
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return data.startswith(head)


def _size(given: object) -> Bundle:
    """Return width and height out of metadata, as far as they are numbers."""
    if not isinstance(given, Mapping):
        return {}
    return {
        key: value
        for key in ("width", "height")
        if isinstance(value := given.get(key), int | float)
        and not isinstance(value, bool)
        and 0 < value < 10_000
    }


def _text(value: object) -> str:
    """Return a MIME value as text; a list of lines is one of its forms."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return value if isinstance(value, str) else ""
