"""What a page complains about: errors of scripts, and what its content security policy refused."""

from __future__ import annotations

from dataclasses import dataclass, field

from playwright.sync_api import ConsoleMessage, Page

#: Beginnings of what a browser says of any answer that is no success.
_OF_LAB = ("Failed to load resource",)
_REPORT = """
window.__refused = [];
document.addEventListener('securitypolicyviolation', event =>
  window.__refused.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""


@dataclass
class Complaints:
    """What was complained about on a page, from its first script on."""

    page: Page
    #: Whether the server goes away, of which JupyterLab itself says much.
    absence: bool = False
    errors: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.add_init_script(_REPORT)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._heard)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not self.absence and not message.text.startswith(_OF_LAB):
            self.console.append(message.text)

    def refused(self) -> list[str]:
        """Return what the content security policy refused."""
        found: list[str] = self.page.evaluate("window.__refused")
        return found

    def all(self) -> list[str]:
        """Return everything, in words."""
        return [*self.errors, *self.console, *(f"refused: {each}" for each in self.refused())]
