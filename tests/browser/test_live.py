"""What happens elsewhere is seen at once, and after an absence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.integration.processes import until
from tests.integration.world import World

from .board import CREATED, SOON, Board, in_cell
from .frames import watched
from .lab import Lab
from .pages import LabPage

SHOW = "from orkee_jupyter import Dashboard\nDashboard()"
#: Milliseconds: the target is 200, on a machine that does nothing else.
AT_ONCE = 1000
#: Milliseconds of the longest frame while sandboxes come.
FRAME = 400
#: Resolves with the milliseconds of 1970 at which each of the places first holds a text.
_SEEN = """
([places, text]) => Promise.all(places.map(place => new Promise(done => {
  const look = () => place.textContent.includes(text) && (done(Date.now()), true);
  if (look()) return;
  const observer = new MutationObserver(() => look() && observer.disconnect());
  observer.observe(place, {subtree: true, childList: true, characterData: true});
})))
"""


def test_panel_and_cell_show_the_same_at_the_same_moment(lab: Lab, lab_page: LabPage) -> None:
    notebook = lab_page.notebook("both.ipynb", SHOW)
    cell, panel = in_cell(notebook), Board(lab_page.panel())
    page = lab_page.page
    places = [panel.root.element_handle(), cell.root.element_handle()]
    page.evaluate(
        f"arguments => {{ window.__times = ({_SEEN})(arguments) }}", [places, "seen-by-both"]
    )
    began = time.time() * 1000
    lab.create(template="debian", name="seen-by-both")
    in_panel, in_widget = page.evaluate("window.__times")
    print(f"panel after {in_panel - began:.0f} ms, cell {in_widget - in_panel:+.0f} ms")
    assert abs(in_panel - in_widget) < AT_ONCE
    panel.expect_state("seen-by-both", "active", CREATED)
    cell.expect_state("seen-by-both", "active", CREATED)
    cell.button("Stop seen-by-both").click()
    panel.expect_state("seen-by-both", "stopping…")
    panel.button("Undo the stop of seen-by-both").click()
    cell.expect_state("seen-by-both", "active")


def test_a_cell_alone_creates_reads_and_stops(lab: Lab, lab_page: LabPage) -> None:
    lab.write_template(
        "talker", image="debian:bookworm-slim", command=["sh", "-c", "echo said; exec sleep 900"]
    )
    cell = in_cell(lab_page.notebook("alone.ipynb", SHOW))
    cell.create("talker")
    (row,) = until(lab.active)
    cell.expect_state(row["short_id"], "active", CREATED)
    cell.open(row["short_id"], "Logs")
    expect(cell.log()).to_contain_text("said")
    cell.button(f"Stop {row['short_id']}").click()
    until(lambda: not lab.active(), 15)


def test_the_command_line_and_the_reaper_are_seen(lab: Lab, panel: Board) -> None:
    made = lab.cli("sandbox", "create", "debian", "--name", "by-cli")
    assert made.returncode == 0, made
    panel.expect_state("by-cli", "active")
    assert lab.cli("sandbox", "stop", "by-cli").returncode == 0
    expect(panel.row("by-cli")).to_have_count(0, timeout=SOON)
    lab.create(template="debian", name="short-lived", ttl=2)
    panel.expect_state("short-lived", "active")
    expect(panel.row("short-lived")).to_have_count(0, timeout=60_000)
    row = panel.history().get_by_role("listitem").filter(has_text="short-lived")
    expect(row).to_contain_text("ended")


def test_a_magic_of_a_notebook_is_seen(lab_page: LabPage) -> None:
    notebook = lab_page.notebook(
        "magic.ipynb",
        "%load_ext orkee_jupyter\nsb = %sandbox create debian --name by-magic",
        "%sandbox stop by-magic",
    )
    panel = Board(lab_page.panel())
    notebook.run(0)
    panel.expect_state("by-magic", "active")
    notebook.run(1)
    expect(panel.row("by-magic")).to_have_count(0, timeout=SOON)


def change_delay(lab: Lab, panel: Board, name: str) -> float:
    """Return the milliseconds from before a create by REST to the row in the panel."""
    page = panel.page
    places = [panel.root.element_handle()]
    page.evaluate(f"arguments => {{ window.__times = ({_SEEN})(arguments) }}", [places, name])
    began = time.time() * 1000
    lab.create(template="debian", name=name, wait=False)
    (seen,) = page.evaluate("window.__times")
    return float(seen - began)


def test_a_change_is_seen_at_once(lab: Lab, panel: Board) -> None:
    delays = [change_delay(lab, panel, f"quick-{number}") for number in range(5)]
    print(f"rows in the panel after {[round(each) for each in delays]} ms")
    assert sorted(delays)[2] < AT_ONCE, delays


@pytest.mark.long
def test_fifty_sandboxes_come_without_a_slow_frame(lab: Lab, panel: Board) -> None:
    with watched(panel.page) as smooth:
        for number in range(50):
            lab.create(template="debian", name=f"many-{number:02}", wait=False)
        expect(panel.rows()).to_have_count(50, timeout=20_000)
        until(lambda: len(lab.rows(status="active")) == 50, 100)
        active = panel.rows().get_by_text("active", exact=True)
        expect(active).to_have_count(50, timeout=20_000)
    print(f"longest frame {smooth.frame:.0f} ms, longest task {smooth.task:.0f} ms")
    assert smooth.frame < FRAME, smooth


def test_a_reload_brings_the_panel_back(lab: Lab, lab_page: LabPage) -> None:
    lab.create(template="debian", name="stays")
    Board(lab_page.panel()).expect_state("stays", "active")
    until(lambda: "orkee-panel" in lab.workspaces(), 15, what="the workspace on the disk")
    lab_page.reload()
    panel = Board(lab_page.page.get_by_role("region", name="Sandboxes", exact=True))
    panel.expect_state("stays", "active", CREATED)


@pytest.fixture
def own_lab(world: World) -> Iterator[Lab]:
    """Give a JupyterLab that a test may stop."""
    made = Lab(world, "own-lab")
    try:
        made.start()
        yield made
    finally:
        made.stop()


def test_without_a_server_one_line_says_so_and_with_it_all_is_right(
    own_lab: Lab, new_page: Callable[..., Page]
) -> None:
    panel = Board(LabPage(new_page(absence=True), own_lab).open().panel())
    own_lab.create(template="debian", name="before")
    panel.expect_state("before", "active")
    own_lab.stop()
    line = panel.alert()
    expect(line).to_have_count(1, timeout=20_000)
    expect(line).to_contain_text("server")
    own_lab.start()
    own_lab.create(template="debian", name="after")
    panel.expect_state("after", "active", 30_000)
    expect(panel.row("before")).to_have_count(0)
    expect(line).to_have_count(0)
