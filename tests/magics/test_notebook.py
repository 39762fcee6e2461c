"""The quickstart notebook as a file, and an error as a notebook runner sees it."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from orkee_jupyter.magics.arguments import parse
from orkee_jupyter.magics.words import split
from tests.client.stub_server import StubServer

from .conftest import ROOT

QUICKSTART = nbformat.read(ROOT / "notebooks" / "quickstart.ipynb", as_version=4)


def test_every_line_of_the_quickstart_parses() -> None:
    lines = [line for cell in QUICKSTART.cells for line in cell.source.splitlines()]
    magics = [
        line.split("%sandbox ")[1] for line in lines if "%sandbox " in line and "`" not in line
    ]
    assert len(magics) >= 8
    for line in magics:
        parse(split(line))


def test_the_quickstart_stores_only_outputs_that_are_compared() -> None:
    nbformat.validate(QUICKSTART)
    for cell in QUICKSTART.cells:
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
