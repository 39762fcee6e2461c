"""The soak: marked ``soak``, run by ``make soak``; on an engine of its own, which it may kill."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.conftest import own_server, world  # noqa: F401

_HERE = Path(__file__).parent
SAID = pytest.StashKey[list[str]]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave it out unless ``-m`` asks for it by name."""
    if "soak" in str(config.getoption("-m")):
        return
    ours = [item for item in items if item.path.is_relative_to(_HERE)]
    if ours:
        items[:] = [item for item in items if not item.path.is_relative_to(_HERE)]
        config.hook.pytest_deselected(items=ours)


@pytest.fixture
def said(request: pytest.FixtureRequest) -> list[str]:
    """Give the lines that are printed at the end, also of a run that fails."""
    return request.config.stash.setdefault(SAID, [])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print what the soak has to say."""
    for line in config.stash.get(SAID, []):
        terminalreporter.write_line(line)
