"""The accessibility rules of axe-core, on a part of a page."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator

from tests.integration.world import ROOT

SOURCE = ROOT / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
#: WCAG 2.2 AA, and what axe knows beside it.
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: About a whole page, which is JupyterLab's.
_OF_PAGES = ["region", "page-has-heading-one", "landmark-one-main", "bypass", "document-title"]
_RUN = """
(root, [tags, off]) => axe.run(root, {
  runOnly: tags,
  resultTypes: ['violations'],
  rules: Object.fromEntries(off.map(id => [id, {enabled: false}])),
}).then(result => result.violations)
"""


def violations(part: Locator) -> list[str]:
    """Return what is wrong in a part of a page, each with the rule, the element and why."""
    assert SOURCE.exists(), "axe-core is missing: run `npm ci` in labextension"
    if not part.page.evaluate("typeof axe === 'object'"):
        part.page.evaluate(SOURCE.read_text())
    found: list[dict[str, Any]] = part.evaluate(_RUN, [_TAGS, _OF_PAGES])
    return [
        f"{each['id']}: {node['html'][:200]}: {node['failureSummary']}"
        for each in found
        for node in each["nodes"]
    ]
