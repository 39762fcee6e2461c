"""JupyterLab's own editor, terminal and notebook, with a sandbox; files in and out."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.integration.processes import until

from .board import Board
from .lab import Lab
from .pages import LabPage

#: Drops a file onto an element, as from the desktop.
_DROP = """
(target, [name, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name, {type: 'text/plain'}));
  const options = {dataTransfer: data, bubbles: true, cancelable: true};
  for (const kind of ['dragenter', 'dragover', 'drop'])
    target.dispatchEvent(new DragEvent(kind, options));
}
"""


@pytest.fixture
def files(lab: Lab, panel: Board) -> Locator:
    """Give the tree of the files of a sandbox, which has one of them."""
    lab.create(template="debian", name="tools")
    lab.cli("sandbox", "exec", "tools", "--", "sh", "-c", "echo first >note.txt")
    panel.open("tools", "Files")
    tree = panel.root.get_by_role("tree", name="Files")
    expect(tree.get_by_role("treeitem", name="note.txt")).to_be_visible()
    return tree


def content(lab: Lab, path: str) -> str:
    """Return what is in a file of the workspace, "" if there is none."""
    return lab.cli("sandbox", "exec", "tools", "--", "cat", path).stdout.decode()


def test_a_text_file_is_edited_and_saved_back(lab: Lab, panel: Board, files: Locator) -> None:
    files.get_by_role("treeitem", name="note.txt").dblclick()
    editor = panel.page.get_by_role("main").locator(".jp-FileEditor .cm-content")
    expect(editor).to_contain_text("first")
    editor.click()
    panel.page.keyboard.press("Control+End")
    panel.page.keyboard.type("second")
    panel.page.keyboard.press("Control+s")
    until(lambda: content(lab, "note.txt") == "first\nsecond", 15, what="the saved file")


def test_a_file_is_dragged_in(lab: Lab, files: Locator) -> None:
    files.evaluate(_DROP, ["dragged.txt", "from the desktop"])
    expect(files.get_by_role("treeitem", name="dragged.txt")).to_be_visible()
    assert content(lab, "dragged.txt") == "from the desktop"


def test_a_file_and_a_log_are_downloaded(panel: Board, files: Locator) -> None:
    files.get_by_role("treeitem", name="note.txt").click()
    with panel.page.expect_download() as saved:
        panel.button("Download note.txt").click()
    assert Path(saved.value.path()).read_text() == "first\n"
    panel.tab("Logs")
    with panel.page.expect_download() as log:
        panel.button("Download the log").click()
    assert log.value.suggested_filename == "tools.log"


def test_a_terminal_of_jupyterlab_opens(lab: Lab, panel: Board, files: Locator) -> None:
    panel.button("Terminal").click()
    terminal = panel.page.get_by_role("main").locator(".jp-Terminal:visible")
    expect(terminal).to_be_visible()
    expect(terminal.locator(".xterm-screen")).to_be_visible()  # keys before that are lost
    terminal.click()
    expect(terminal.locator("textarea")).to_be_focused()
    panel.page.keyboard.type("echo typed >typed.txt\n")
    until(lambda: content(lab, "typed.txt") == "typed\n", 15, what="what was typed")


def test_a_cell_that_uses_it_is_inserted(lab: Lab, lab_page: LabPage) -> None:
    lab.create(template="debian", name="used")
    notebook = lab_page.notebook("insert.ipynb", "1 + 1")
    panel = Board(lab_page.panel())
    panel.expect_state("used", "active")
    panel.menu("used", "Insert a cell")
    expect(notebook.cell(1)).to_contain_text('Sandbox.get("used")')
    notebook.run(1)
    panel.menu("used", "Copy id")
    copied = panel.page.evaluate("navigator.clipboard.readText()")
    assert copied == lab.active()[0]["id"]


def test_it_is_among_what_runs_and_in_the_status_bar(lab: Lab, lab_page: LabPage) -> None:
    lab.create(template="debian", name="counted")
    page = lab_page.page
    expect(page.get_by_role("button", name="1 active sandbox")).to_be_visible()
    page.get_by_role("tab", name="Running Terminals and Kernels").click()
    section = page.get_by_role("region", name="Sandboxes Section")
    expect(section.get_by_role("treeitem", name="counted")).to_be_visible()
