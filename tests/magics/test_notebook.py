"""The notebooks as files, and an error as a notebook runner sees it."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from orkee_jupyter.magics.arguments import parse
from orkee_jupyter.magics.cells import CELL_COMMANDS
from orkee_jupyter.magics.words import split
from tests.client.stub_server import StubServer

from .conftest import ROOT

NOTEBOOKS = {
    path.stem: nbformat.read(path, as_version=4) for path in (ROOT / "notebooks").glob("*.ipynb")
}


@pytest.mark.parametrize("name", ["quickstart", "streams"])
def test_every_line_of_a_notebook_parses(name: str) -> None:
    cells = [each.source for each in NOTEBOOKS[name].cells if each.cell_type == "code"]
    lines = [line for source in cells for line in source.splitlines() if "%sandbox " in line]
    assert len(lines) >= 8
    values = {"server": "x", "results": "out"} if name == "streams" else {"server": "x"}
    for line in lines:
        words = split(line.split("%sandbox ")[1].replace("{server.pid}", "7"), values)
        parse(words, CELL_COMMANDS) if "%%sandbox " in line else parse(words)


@pytest.mark.parametrize("name", ["quickstart", "streams"])
def test_a_notebook_stores_only_outputs_that_are_compared(name: str) -> None:
    nbformat.validate(NOTEBOOKS[name])
    for cell in NOTEBOOKS[name].cells:
        if cell.cell_type == "code":
            assert cell.execution_count  # nbval refuses outputs of a cell that was not run
            ignored = "nbval-ignore-output" in cell.metadata.get("tags", [])
            assert not (ignored and cell.outputs)


def test_an_error_stops_a_run_of_a_notebook(stub: StubServer) -> None:
    cells = ["%load_ext orkee_jupyter", "%sandbox logs nope", "never = True"]
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    client = NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": ROOT}})
    with pytest.raises(CellExecutionError):
        client.execute()
    (output,) = notebook.cells[1].outputs
    assert (output.output_type, output.ename) == ("error", "SandboxError")
    assert len(output.traceback) == 2
    assert notebook.cells[2].execution_count is None
