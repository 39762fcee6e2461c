"""The OpenAPI document that stands in ``openapi.yml`` beside this file."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml

from .. import problems
from ..sandbox.errors import CODES


@functools.cache
def _parsed() -> dict[str, Any]:
    text = Path(__file__).with_name("openapi.yml").read_text(encoding="utf-8")
    parsed = yaml.safe_load(text)
    assert isinstance(parsed, dict)
    # The codes have one home, the domain; the document names them from there.
    parsed["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] = sorted(CODES)
    parsed["components"]["schemas"]["Problem"]["x-codes"] = {
        code: {"status": problems.STATUS[code], "meaning": CODES[code]} for code in sorted(CODES)
    }
    return parsed


def document(base_url: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a server at this base URL."""
    return {**_parsed(), "servers": [{"url": base_url.rstrip("/") + "/orkee/api"}]}
