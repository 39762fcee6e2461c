"""What a browser is shown where nothing listens yet: a page that becomes the program's own."""

from __future__ import annotations

import re
from typing import Final

#: Seconds after which the browser asks again.
RETRY: Final = 2
_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="{retry}">
<title>Port {port}: nothing answers yet</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ max-width: 34rem; margin: 18vh auto 0; padding: 0 1.5rem;
  font: 16px/1.5 system-ui, sans-serif; }}
h1 {{ font-size: 1.4rem; font-weight: 600; }}
</style>
<h1>Nothing answers on port {port} of this sandbox yet</h1>
<p>Start a server inside the sandbox: in its terminal, or from a notebook.</p>
<p>This page asks again every {retry} seconds, and becomes the server's as soon as it answers.</p>
</html>
"""
_ACCEPT = re.compile(r"(?:^|[,\s])text/html\b", re.IGNORECASE)


def port_page(port: int) -> str:
    """Return the page for a port, in HTML without scripts."""
    return _PAGE.format(port=port, retry=RETRY)


def wants_page(method: str, accept: str) -> bool:
    """Whether a request is a browser's for something to look at, by its ``Accept`` header."""
    return method == "GET" and _ACCEPT.search(accept) is not None
