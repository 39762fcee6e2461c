"""The fault suite: marked ``faults``, run by ``make faults``, its quick half by ``make test``."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

# The engine is one of this suite's own, which its tests may kill.
from tests.integration.conftest import own_server, world  # noqa: F401

from . import table
from .table import KEY, Row

_HERE = Path(__file__).parent
_ROWS = pytest.StashKey[list[Row]]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the suite out unless ``-m`` asks for it by name."""
    if "faults" in str(config.getoption("-m")):
        return
    ours = [item for item in items if item.path.is_relative_to(_HERE)]
    if ours:
        items[:] = [item for item in items if not item.path.is_relative_to(_HERE)]
        config.hook.pytest_deselected(items=ours)


@pytest.fixture
def row(request: pytest.FixtureRequest) -> Row:
    """Give the line of the table, for the test to fill in."""
    return request.node.stash.setdefault(KEY, Row(request.node.name, "", ""))


class _Reports:
    """Notes every test's outcome: a conftest would hear of those of its own folder alone."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.when == "call" or report.failed:
            _note(item.config.stash.setdefault(_ROWS, []), item, report)
        return report


def pytest_configure(config: pytest.Config) -> None:
    if "faults" in str(config.getoption("-m")):
        config.pluginmanager.register(_Reports())


def _note(rows: list[Row], item: pytest.Item, report: pytest.TestReport) -> None:
    """Add a test's line; those of the parts are lines of many tests."""
    row = item.stash.get(KEY, None)
    if row is None and (part := table.part_of(item.nodeid)):
        same = [each for each in rows if each.fault == part.fault]
        row = same[0] if same else part
        row.seen = f"{int((row.seen or '0').split()[0]) + 1} tests"
    if row is None:
        return
    if report.failed:
        row.kept = False
        row.seen = f"{row.seen} {str(report.longrepr).splitlines()[-1]}"
    if not any(each is row for each in rows):
        rows.append(row)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table, and write it for the document."""
    rows = config.stash.get(_ROWS, [])
    if "faults" not in str(config.getoption("-m")) or not rows:
        return
    terminalreporter.section("faults")
    for line in table.markdown(rows):
        terminalreporter.write_line(line)
    if path := os.environ.get(table.VARIABLE):
        table.write(Path(path), rows)
