"""Themes, and what an accessibility check finds in each view."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.integration.processes import until

from .axe import violations
from .board import CREATED, Board, in_cell
from .lab import DARK, HIGH_CONTRAST, LIGHT, Lab
from .pages import LabPage
from .test_live import SHOW

#: A log with all that a log can look like.
COLOURS = "".join(
    f"\x1b[{code}mcolour {code}\x1b[0m\n" for code in (*range(30, 38), *range(90, 98))
)
TALK = f"cat <<'END'\n{COLOURS}END\necho to stderr >&2; touch file; mkdir folder; exec sleep 900"


def brightness(board: Board) -> int:
    """Return how bright its background is, of 255."""
    colour: str = board.root.evaluate(
        """e => { for (; e; e = e.parentElement) {
             const colour = getComputedStyle(e).backgroundColor;
             if (colour !== 'rgba(0, 0, 0, 0)') return colour; } }"""
    )
    return max(int(each) for each in re.findall(r"\d+", colour)[:3])


def fill(lab: Lab) -> None:
    """Have sandboxes in every state that lasts."""
    lab.write_template("faulty", image="debian:bookworm-slim", setup=["echo why >&2; exit 7"])
    lab.create(
        template="debian", name="talks", ports=[8000], env={"A": "b"}, command=["sh", "-c", TALK]
    )
    lab.create(template="debian", name="paused")
    lab.ask("POST", "sandbox/paused/pause", json={})
    lab.create(template="debian", name="ended")
    lab.ask("DELETE", "sandbox/ended")
    lab.create(template="faulty", name="failed", wait=False)
    until(lambda: lab.failed("faulty"), 60)


def every_view(board: Board) -> dict[str, list[str]]:
    """Return what is wrong in each view."""
    found: dict[str, list[str]] = {}

    def check(view: str) -> None:
        found[view] = violations(board.root)

    board.history()
    check("list")
    board.row("talks").get_by_role("button", name="More actions for talks").click()
    expect(board.page.get_by_role("menu", name="More actions for talks")).to_be_visible()
    check("menu")
    board.page.keyboard.press("Escape")
    board.button("New Sandbox").click()
    check("form")
    board.button("Options").click()
    expect(board.button("Create")).to_be_visible()
    check("options")
    board.home()
    board.open("talks")
    check("detail")
    for tab in ("Logs", "Files", "Events"):
        board.tab(tab)
        if tab == "Logs":
            expect(board.log()).to_contain_text("to stderr")
        check(tab)
    board.home()
    board.button("Engine").click()
    expect(board.root.get_by_text("In use", exact=True)).to_be_visible()
    check("engine")
    board.home()
    return {view: problems for view, problems in found.items() if problems}


@pytest.mark.parametrize("theme", [LIGHT, DARK, HIGH_CONTRAST])
def test_the_panel_is_accessible_in(theme: str, lab: Lab, new_page: Callable[..., Page]) -> None:
    lab.use_theme(theme)
    fill(lab)
    panel = Board(LabPage(new_page(), lab).open().panel())
    panel.expect_state("talks", "active", CREATED)
    assert (brightness(panel) > 128) == (theme == LIGHT)
    assert every_view(panel) == {}


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_the_cell_is_accessible_in(theme: str, lab: Lab, new_page: Callable[..., Page]) -> None:
    lab.use_theme(theme)
    fill(lab)
    cell = in_cell(LabPage(new_page(), lab).notebook("looks.ipynb", SHOW))
    cell.expect_state("talks", "active", CREATED)
    assert (brightness(cell) > 128) == (theme == LIGHT)
    assert every_view(cell) == {}


def test_a_narrow_panel_holds_all_of_a_row(lab: Lab, panel: Board) -> None:
    lab.create(
        template="debian", name="a-name-that-is-rather-long-for-a-narrow-panel", ports=[1, 2]
    )
    panel.expect_state("a-name-that-is-rather-long-for-a-narrow-panel", "active")
    panel.root.evaluate("e => { e.style.width = e.style.minWidth = '240px' }")
    beyond = panel.root.evaluate(
        """root => [...root.querySelectorAll('button, input, select, a')]
             .filter(e => e.getBoundingClientRect().right > root.getBoundingClientRect().right)
             .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert beyond == []
