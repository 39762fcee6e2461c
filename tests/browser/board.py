"""The list of sandboxes, in the panel and in a cell: found by roles and names alone."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from .pages import Notebook

#: Milliseconds in which what was done elsewhere shows; most of it is the machine's.
SOON = 30_000
#: Milliseconds in which a sandbox becomes active on a busy machine.
CREATED = 60_000


class Board:
    """The UI in one of its places."""

    def __init__(self, root: Locator) -> None:
        self.root = root
        self.page = root.page

    # -- the list ------------------------------------------------------------

    def rows(self) -> Locator:
        """Return the rows of what has not ended."""
        listed = self.root.get_by_role("list", name="Sandboxes", exact=True)
        return listed.get_by_role("listitem")

    def row(self, name: str) -> Locator:
        """Return the row of a sandbox that has not ended."""
        return self.rows().filter(has=self.page.get_by_role("button", name=name, exact=True))

    def expect_state(self, name: str, word: str, timeout: float = SOON) -> None:
        """Wait until the row of a sandbox says its state with this word."""
        said = self.row(name).get_by_text(word, exact=True)
        expect(said).to_be_visible(timeout=timeout)

    def create(self, template: str) -> None:
        """Create a sandbox in two clicks."""
        self.button("New Sandbox").click()
        self.button(re.compile(f"^Create a sandbox from {template}\\.")).click()

    def history(self) -> Locator:
        """Unfold the history; return its list."""
        fold = self.button("History")
        if fold.get_attribute("aria-expanded") == "false":
            fold.click()
        return self.root.get_by_role("list", name="Ended sandboxes")

    def menu(self, name: str, item: str) -> None:
        """Choose an action of a sandbox's menu."""
        self.row(name).get_by_role("button", name=f"More actions for {name}").click()
        self.page.get_by_role("menuitem", name=item, exact=True).click()

    # -- one sandbox ---------------------------------------------------------

    def open(self, name: str, tab: str = "Overview") -> Locator:
        """Show a sandbox in full; return the tab's panel."""
        self.row(name).get_by_role("button", name=name, exact=True).click()
        return self.tab(tab)

    def tab(self, name: str) -> Locator:
        """Change to a tab; return its panel."""
        self.root.get_by_role("tab", name=name).click()
        return self.root.get_by_role("tabpanel", name=name)

    def log(self) -> Locator:
        return self.root.get_by_role("log")

    def home(self) -> None:
        self.button("Back to the list").click()

    # -- parts ---------------------------------------------------------------

    def button(self, name: str | re.Pattern[str]) -> Locator:
        exact = isinstance(name, str)
        return self.root.get_by_role("button", name=name, exact=exact)

    def alert(self) -> Locator:
        return self.root.get_by_role("alert")


def in_cell(notebook: Notebook, cell: int = 0) -> Board:
    """Run the cell that shows the dashboard; return it."""
    output = notebook.run(cell)
    board = Board(output)
    expect(board.button("New Sandbox")).to_be_visible(timeout=CREATED)
    return board
