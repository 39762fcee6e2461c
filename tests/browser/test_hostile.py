"""What comes from inside, or from others, is text and stays in its place."""

from __future__ import annotations

import json

from playwright.sync_api import Locator, expect

from tests.integration.processes import until

from .board import CREATED, Board, in_cell
from .frames import watched
from .lab import Lab
from .pages import LabPage
from .test_live import SHOW

EVIL = '<img src=x onerror="window.__hacked=1"><script>window.__hacked=1</script>'
#: Turns the direction of what follows.
BIDI = "\u202egnp.exe\u202c"
LINES = 100_000
#: Milliseconds of the longest frame while a long log comes, on a machine with much else to do.
FRAME = 500
#: HTML; a screen that is cleared, a cursor that moves, a title; links by OSC 8; a bell; colours.
LOG = (
    EVIL + "\n"
    "\x1b[2J\x1b[1;1H\x1b[999Bmoved\x1b]0;title\x07\n"
    "\x1b]8;;javascript:window.__hacked=1\x07script-link\x1b]8;;\x07\n"
    "\x1b]8;;https://example.org/\x1b\\far-link\x1b]8;;\x1b\\\n"
    "\x1b[31mred\x1b[0m \x1b[99999999mnothing\x1b[\n"
    + BIDI
    + " after\n"
    + "w" * 20_000
    + "\nlast line\n"
)
PRINT = f"cat <<'END'\n{LOG}END\nexec sleep 900"


def hacked(part: Locator) -> bool:
    """Return whether something of it was run or became an element."""
    found = part.evaluate(
        "e => Boolean(window.__hacked || e.querySelector('script, img[src=x], iframe, [onerror]'))"
    )
    return bool(found)


def bad_links(part: Locator) -> list[str]:
    """Return the addresses of its links that lead anywhere but to the loopback."""
    found: list[str] = part.evaluate(
        """e => [...e.querySelectorAll('a[href], [src], form[action]')]
             .map(each => new URL(each.href || each.src || each.action, document.baseURI))
             .filter(url => !/^https?:$/.test(url.protocol)
                         || !/^(localhost|127(\\.\\d+){3}|\\[::1\\])$/.test(url.hostname))
             .map(String)"""
    )
    return found


def outside(part: Locator) -> list[str]:
    """Return what of the log lies outside its box and can be seen there."""
    found: list[str] = part.evaluate(
        """box => {
             const around = box.getBoundingClientRect();
             return [...box.querySelectorAll('*')]
               .filter(e => getComputedStyle(e).position === 'fixed'
                         || e.getBoundingClientRect().left < around.left - 1)
               .map(e => e.outerHTML.slice(0, 100))
               .concat(getComputedStyle(box).overflow === 'visible' ? ['it does not clip'] : []);
           }"""
    )
    return found


def write_evil(lab: Lab) -> None:
    """Have a template that is hostile wherever a template can say something."""
    lab.write_template(
        "evil",
        image="debian:bookworm-slim",
        description=EVIL + BIDI,
        ports=[8000],
        command=["sh", "-c", PRINT],
    )


def look_around(board: Board, name: str) -> None:
    """Go through all views of a sandbox; nothing in them is hostile any more."""
    board.open(name)
    for tab in ("Overview", "Files", "Events", "Logs"):
        board.tab(tab)
        assert not hacked(board.root), tab
        assert bad_links(board.root) == [], tab
    expect(board.log()).to_contain_text("last line")
    expect(board.log()).to_contain_text("far-link")
    assert not hacked(board.root)
    assert board.log().get_by_role("link").count() == 0
    assert bad_links(board.root) == []
    assert outside(board.log()) == []
    assert board.root.evaluate("e => e.scrollWidth - e.clientWidth") <= 1


def test_a_hostile_template_log_and_environment_are_text(lab: Lab, lab_page: LabPage) -> None:
    write_evil(lab)
    notebook = lab_page.notebook("evil.ipynb", SHOW)
    cell, panel = in_cell(notebook), Board(lab_page.panel())
    panel.button("New Sandbox").click()
    expect(panel.root.get_by_text(EVIL)).to_be_visible()
    panel.button("Back to the list").click()
    lab.create(template="evil", name="evil", labels={"kind": EVIL}, env={"E": EVIL})
    title = panel.page.title()
    for board in (panel, cell):
        board.expect_state("evil", "active", CREATED)
        look_around(board, "evil")
    assert panel.page.title() == title


def test_hostile_file_names_are_text(lab: Lab, panel: Board) -> None:
    lab.create(template="debian", name="files")
    names = [EVIL.replace("/", "_"), BIDI, "new\nline", "$(reboot) `id`", "-rf"]
    for name in names:
        path = json.dumps(name)
        made = lab.cli("sandbox", "exec", "files", "--", "touch", f"/app/{json.loads(path)}")
        assert made.returncode == 0, made
    panel.open("files", "Files")
    tree = panel.root.get_by_role("tree", name="Files")
    expect(tree.get_by_role("treeitem")).to_have_count(len(names))
    expect(tree.get_by_text(names[0])).to_be_visible()
    assert "\u202e" not in tree.inner_text()
    assert not hacked(panel.root)


def test_a_hostile_failure_is_text(lab: Lab, panel: Board) -> None:
    lab.write_template(
        "trap", image="debian:bookworm-slim", setup=[f"echo '{EVIL}\x1b[2J' >&2; exit 7"]
    )
    panel.create("trap")
    row = until(lambda: lab.failed("trap"), 60)[0]
    panel.expect_state(row["short_id"], "failed")
    expect(panel.alert()).to_contain_text("<img src=x")
    assert not hacked(panel.root)


def test_a_hundred_thousand_lines_have_no_slow_frame(lab: Lab, panel: Board) -> None:
    script = f"seq {LINES}; echo the end; exec sleep 900"
    lab.create(template="debian", name="long", command=["sh", "-c", script])
    panel.expect_state("long", "active")
    with watched(panel.page) as smooth:
        panel.open("long", "Logs")
        expect(panel.log()).to_contain_text("the end", timeout=20_000)
        rows = panel.log().evaluate("e => e.querySelectorAll('*').length")
        panel.log().evaluate("e => { e.scrollTop = e.scrollHeight / 2 }")
        expect(panel.log()).not_to_contain_text("the end")
    print(f"longest frame {smooth.frame:.0f} ms, task {smooth.task:.0f} ms, {rows} elements")
    assert rows < 2000
    assert smooth.frame < FRAME, smooth
