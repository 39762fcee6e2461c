"""JupyterLab in the browser, as somebody uses it: by what is written on things."""

from __future__ import annotations

import re
from contextlib import suppress

from playwright.sync_api import Error, Locator, Page, expect

from tests.integration.processes import until

from .lab import Lab

OPEN = 60_000  # milliseconds for a page on a busy machine
RUN = 60_000
_NUMBERED = re.compile(r"\[\d+\]")


class LabPage:
    """A page of JupyterLab."""

    def __init__(self, page: Page, lab: Lab) -> None:
        self.page = page
        self.lab = lab

    def open(self, path: str = "") -> LabPage:
        """Open it, with an empty workspace, and return it once it can be used."""
        self.page.goto(self.lab.page_url(path), timeout=OPEN, wait_until="domcontentloaded")
        return self.wait()

    def wait(self) -> LabPage:
        """Return once JupyterLab can be used."""
        expect(self.page.locator("#jupyterlab-splash")).to_be_hidden(timeout=OPEN)
        expect(self.page.get_by_role("menubar")).to_be_visible(timeout=OPEN)
        # What the main area begins with takes the focus when it comes, which is late.
        tabs = self.page.get_by_role("main").get_by_role("tab", selected=True)
        expect(tabs.first).to_be_visible(timeout=OPEN)
        return self

    def reload(self) -> LabPage:
        """Load it again as the browser's button does, with its workspace."""
        self.page.reload(timeout=OPEN, wait_until="domcontentloaded")
        return self.wait()

    def panel(self) -> Locator:
        """Show the panel of the sandboxes, if it is not shown; return it."""
        panel = self.page.get_by_role("region", name="Sandboxes", exact=True)
        tab = self.page.get_by_role("tab", name="Sandboxes", exact=True)
        expect(tab).to_be_visible()

        def shown() -> bool:
            if tab.get_attribute("aria-selected") != "true":
                tab.click()
            with suppress(Error):
                panel.wait_for(timeout=3000)
            return panel.is_visible()

        until(shown, 30, what="the panel")
        expect(panel.get_by_role("button", name="New Sandbox")).to_be_visible()
        return panel

    def palette(self, words: str) -> None:
        """Choose a command in the palette, by keys."""
        search = self.page.get_by_role("region", name="Command Palette").get_by_role("textbox")

        def opened() -> bool:
            self.page.keyboard.press("Control+Shift+C")  # bound late while a page loads
            with suppress(Error):
                search.wait_for(timeout=1000)
            return search.is_visible()

        until(opened, 15, what="the palette")
        search.fill(words)
        self.page.keyboard.press("Enter")

    def notebook(self, name: str, *cells: str) -> Notebook:
        """Open a new notebook with these cells."""
        self.lab.write_notebook(name, *cells)
        self.open(f"/tree/{name}")
        return Notebook(self, name)


class Notebook:
    """An open notebook."""

    def __init__(self, owner: LabPage, name: str) -> None:
        self.page = owner.page
        self.root = self.page.get_by_role("main").locator(".jp-NotebookPanel:visible")
        expect(self.cell(0)).to_be_visible(timeout=OPEN)
        # What is run before its kernel is known is lost.
        expect(self.page.get_by_text("| Idle")).to_be_visible(timeout=OPEN)

    def cell(self, number: int) -> Locator:
        """Return a cell, counted from 0."""
        return self.root.locator(".jp-CodeCell").nth(number)

    def output(self, number: int) -> Locator:
        """Return what a cell has put out."""
        return self.cell(number).locator(".jp-Cell-outputArea")

    def run(self, number: int = 0) -> Locator:
        """Run a cell to its end; return its output."""
        self.begin(number)
        prompt = self.cell(number).locator(".jp-InputPrompt")
        expect(prompt).to_have_text(_NUMBERED, timeout=RUN)
        return self.output(number)

    def begin(self, number: int) -> None:
        """Start a cell without waiting for its end."""
        self.cell(number).locator(".cm-content").click()
        # Its key is bound late while the page loads; its button is there when it works.
        self.root.get_by_role("button", name=re.compile("^Run this cell")).click()
