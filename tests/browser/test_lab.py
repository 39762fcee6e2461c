"""JupyterLab itself, with the extension, in the browser."""

from __future__ import annotations

from playwright.sync_api import expect

from .pages import LabPage


def test_a_cell_runs_a_command_in_a_sandbox(lab_page: LabPage) -> None:
    notebook = lab_page.notebook(
        "first.ipynb",
        "%load_ext orkee_jupyter\nsb = %sandbox create debian",
        "%sandbox exec _ -- sh -c 'echo $((6 * 7)) from inside'",
    )
    notebook.run(0)
    expect(notebook.run(1)).to_contain_text("42 from inside")
