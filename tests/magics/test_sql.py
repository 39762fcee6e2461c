"""``%sandbox sql`` in a real IPython shell on a stub server."""

from __future__ import annotations

import sys

import pytest
from IPython.core.interactiveshell import InteractiveShell

from orkee_jupyter.magics.sql_verb import read
from tests.client.stub_server import StubServer

FRAME = (["name", "made"], [["web", "2026-11-24 10:00:00.5"], [None, None]])


def test_an_answer_is_a_data_frame_with_times(shell: InteractiveShell, stub: StubServer) -> None:
    frame = shell.run_line_magic("sandbox", "sql SELECT name, '{made}' FROM \"x\" -- end")
    assert stub.asked == [{"query": "SELECT name, '{made}' FROM \"x\" -- end"}]
    assert list(frame.columns) == FRAME[0]
    assert str(frame["made"].dtype).startswith("datetime64")
    assert frame["made"][0].isoformat() == "2026-11-24T10:00:00.500000+00:00"
    assert frame["made"].isna()[1]


def test_a_cell_is_a_query_too(shell: InteractiveShell, stub: StubServer) -> None:
    frame = shell.run_cell_magic("sandbox", "sql --rows 5", "SELECT 1\nFROM execs\n")
    assert stub.asked == [{"query": "SELECT 1\nFROM execs\n", "rows": 5}]
    assert len(frame) == 2


def test_what_was_left_out_is_said(
    shell: InteractiveShell, stub: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.cut = True
    shell.run_line_magic("sandbox", "sql --rows=2 FROM logs")
    said = capsys.readouterr().err
    assert "more than these 2 rows" in said
    assert "the newest" in said


def test_without_pandas_it_is_a_list_that_shows_itself(
    shell: InteractiveShell, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    rows = shell.run_line_magic("sandbox", "sql FROM sessions")
    assert rows == [("web", "2026-11-24 10:00:00.5"), (None, None)]
    assert "<table" in rows._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize(("line", "command"), [("sql -h", "help"), ("sql --help", "help")])
def test_help_is_no_query(line: str, command: str) -> None:
    asked = read(line)
    assert asked is not None
    assert asked.command == command


def test_other_words_are_no_query() -> None:
    assert read("sqlite") is None
    assert read("list sql") is None
