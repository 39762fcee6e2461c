"""The whole main job, as a new user does it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.integration.processes import containers_of, until

from .board import CREATED, SOON, Board
from .lab import Lab
from .pages import LabPage

SERVE = 'require("http").createServer((q, r) => r.end("hello from inside")).listen(3000)'


def test_from_two_clicks_to_its_end(lab: Lab, panel: Board) -> None:
    expect(panel.root.get_by_text("No active sandboxes")).to_be_visible()
    panel.create("node-web")
    (row,) = until(lab.active)
    name = row["short_id"]
    panel.expect_state(name, "active", CREATED)
    panel.open(name, "Logs")
    expect(panel.log()).to_contain_text("listening on port 3000")
    panel.home()
    with panel.page.context.expect_page() as opened:
        panel.row(name).get_by_role("link", name="Open the page of port 3000").click()
    expect(opened.value.get_by_role("heading", name="It works")).to_be_visible()
    opened.value.close()
    panel.button(f"Stop {name}").click()
    panel.button(f"Undo the stop of {name}").click()
    panel.expect_state(name, "active")
    panel.button(f"Stop {name}").click()
    panel.expect_state(name, "stopping…")
    expect(panel.rows()).to_have_count(0, timeout=60_000)
    assert containers_of([row["id"]]) == []
    expect(panel.history().get_by_role("button", name=name, exact=True)).to_be_visible()


def test_a_page_that_nobody_serves_yet_waits(lab: Lab, panel: Board) -> None:
    panel.create("node")
    (row,) = until(lab.active)
    name = row["short_id"]
    panel.expect_state(name, "active", CREATED)
    with panel.page.context.expect_page() as opened:
        panel.row(name).get_by_role("link", name="Open the page of port 3000").click()
    page = opened.value
    expect(page.get_by_role("heading", name="Nothing answers on port 3000")).to_be_visible()
    lab.cli("sandbox", "exec", "-d", name, "--", "node", "-e", SERVE)
    expect(page.get_by_text("hello from inside")).to_be_visible(timeout=60_000)
    page.close()


def focused(page: Page) -> str:
    """Return the name of what has the focus."""
    found: str = page.evaluate(
        "(e => e.getAttribute('aria-label') || e.textContent.trim())(document.activeElement)"
    )
    return found


def walk_to(page: Page, name: str, key: str = "Tab") -> None:
    """Press a key until something of this name has the focus."""
    for _ in range(60):
        if focused(page).startswith(name):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{key} does not lead to {name!r}; at {focused(page)!r}")


def test_the_same_by_keys_alone(lab: Lab, lab_page: LabPage) -> None:
    page = lab_page.page
    lab_page.palette("New Sandbox")
    panel = Board(page.get_by_role("region", name="Sandboxes", exact=True))
    expect(panel.button(re.compile("^Create a sandbox from debian"))).to_be_focused()
    walk_to(page, "Create a sandbox from node-web.")
    page.keyboard.press("Enter")
    (row,) = until(lab.active)
    name = row["short_id"]
    panel.expect_state(name, "active", CREATED)
    expect(panel.row(name).get_by_role("button", name=name, exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(panel.root.get_by_role("tab", name="Overview")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(panel.log()).to_contain_text("listening on port 3000")
    page.keyboard.press("Escape")
    walk_to(page, "Open the page of port 3000")
    with page.context.expect_page() as opened:
        page.keyboard.press("Enter")
    expect(opened.value.get_by_role("heading", name="It works")).to_be_visible()
    opened.value.close()
    walk_to(page, f"Stop {name}")
    page.keyboard.press("Enter")
    expect(panel.button(f"Undo the stop of {name}")).to_be_visible()
    walk_to(page, f"Undo the stop of {name}")
    page.keyboard.press("Enter")
    panel.expect_state(name, "active")
    walk_to(page, f"Stop {name}")
    page.keyboard.press("Enter")
    expect(panel.rows()).to_have_count(0, timeout=60_000)
    assert focused(page) != "", "the focus was lost"


def test_the_menu_by_keys(lab: Lab, panel: Board) -> None:
    lab.create(template="debian", name="keys")
    panel.row("keys").get_by_role("button", name="More actions for keys").focus()
    panel.page.keyboard.press("Enter")
    expect(panel.page.get_by_role("menuitem", name="Show details")).to_be_focused()
    panel.page.keyboard.press("ArrowDown")
    expect(panel.page.get_by_role("menuitem", name="Show log")).to_be_focused()
    panel.page.keyboard.press("Escape")
    expect(panel.page.get_by_role("menu", name="More actions for keys")).to_have_count(0)
    expect(panel.root.get_by_role("button", name="More actions for keys")).to_be_focused()


def test_what_fails_says_why_and_can_be_tried_again(lab: Lab, panel: Board) -> None:
    lab.write_template(
        "broken", image="debian:bookworm-slim", setup=["echo the reason >&2; exit 7"]
    )
    panel.create("broken")
    row = until(lambda: lab.failed("broken"), 60)[0]
    panel.expect_state(row["short_id"], "failed")
    expect(panel.alert()).to_contain_text("the reason")
    lab.write_template("broken", image="debian:bookworm-slim")
    panel.button("Try again").click()
    (row,) = until(lab.active)
    panel.expect_state(row["short_id"], "active", CREATED)
    expect(panel.alert()).to_have_count(0, timeout=SOON)
