"""The pictures of docs/images, made from real sandboxes by ``make screenshots``."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.integration.world import ROOT

from .board import CREATED, Board, in_cell
from .lab import DARK, LIGHT, Lab
from .pages import LabPage
from .watch import Complaints

IMAGES = ROOT / "docs" / "images"
THEMES = {"light": LIGHT, "dark": DARK}
SIZE = {"width": 1180, "height": 720}
#: Pixels for each of the page's: sharp on most screens, and not large.
SCALE = 1.5
SHOW = "from orkee_jupyter import Dashboard\n\nDashboard()"
#: Serves a page, and says so in colours; it asks itself for pages so that there is a log.
WEB = r"""
const http = require("http");
const paths = ["/", "/style.css", "/api/items", "/favicon.ico", "/api/items/7"];
const server = http.createServer((ask, answer) => {
  const code = ask.url.endsWith("ico") ? 404 : 200;
  const colour = code < 400 ? 32 : 31;
  console.log(`\x1b[${colour}m${code}\x1b[0m ${ask.method} \x1b[36m${ask.url}\x1b[0m`);
  if (code === 404) console.error(`no such file: ${ask.url}`);
  answer.writeHead(code); answer.end("hello");
}).listen(3000, () => console.log("listening on \x1b[1mhttp://127.0.0.1:3000\x1b[0m"));
let n = 0;
setInterval(() => http.get({port: 3000, path: paths[n++ % paths.length]}, r => r.resume()), 900);
"""
#: Uses the processor by turns, so that there is something to see of it.
WORK = """
import time
rows = []
for turn in range(10**6):
    print("epoch", turn, "loss", round(1 / (turn + 1), 4), flush=True)
    rows.append(bytearray(2**20 * (turn % 9)))
    rows = rows[-3:]
    until = time.monotonic() + 0.2 + turn % 4 * 0.3
    while time.monotonic() < until:
        pass
    time.sleep(1.2)
"""


@pytest.fixture(params=THEMES)
def kind(request: pytest.FixtureRequest, lab: Lab) -> str:
    """Give the word for a theme, which is set."""
    lab.use_theme(THEMES[request.param])
    return str(request.param)


@pytest.fixture
def page(browser: Browser, lab: Lab) -> Iterator[Page]:
    """Give a page of the pictures' size, and three sandboxes of different kinds."""
    lab.create(template="debian", name="scratch", ttl="30m")
    lab.create(template="python", name="training", ttl="4h", command=["python", "-c", WORK])
    lab.create(template="node", name="shop", ports=[3000], command=["node", "-e", WEB])
    with browser.new_context(viewport=SIZE, device_scale_factor=SCALE) as context:
        made = context.new_page()
        made.set_default_timeout(15_000)
        complaints = Complaints(made)
        yield made
        assert complaints.all() == []


def wait_for_figures(board: Board) -> None:
    """Wait until the lines of what is used have become lines."""
    line = board.row("training").get_by_role("img", name=re.compile("^CPU")).locator("polyline")
    line.wait_for(state="attached", timeout=CREATED)
    board.page.wait_for_function(
        "line => line.getAttribute('points').split(' ').length > 14",
        arg=line.element_handle(),
        timeout=CREATED,
    )


def test_panel_and_notebook(kind: str, lab: Lab, page: Page) -> None:
    notebook = LabPage(page, lab).notebook("dashboard.ipynb", SHOW)
    cell = in_cell(notebook)
    panel = Board(LabPage(page, lab).panel())
    wait_for_figures(panel)
    cell.open("shop", "Logs")
    expect(cell.log()).to_contain_text("/api/items/7")
    page.mouse.move(700, 700)
    page.screenshot(path=IMAGES / f"panel-{kind}.png")


def test_widget(kind: str, lab: Lab, page: Page) -> None:
    cell = in_cell(LabPage(page, lab).notebook("dashboard.ipynb", SHOW))
    wait_for_figures(cell)
    page.mouse.move(700, 700)
    page.screenshot(path=IMAGES / f"widget-{kind}.png", clip=_around(cell))


def _around(board: Board) -> dict[str, float]:
    box = board.root.bounding_box()
    assert box is not None
    return dict(box)
