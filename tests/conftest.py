"""Which tests are slow: those with real servers, shells, databases or processes.

``make unit`` leaves them out and ends in seconds; ``make test`` runs everything.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import runner

ROOT = Path(__file__).parent

# How long an example takes says more of the machine than of the code.
settings.register_profile("orkee", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("orkee")

#: Beginnings of the paths, below this folder, of tests with more than the code of a part.
SLOW = (
    "cli/",
    "client/",
    "contract/test_manager_with_sandboxd",
    "contract/test_store_contract",
    "dagger/",
    "magics/test_completion",
    "magics/test_kernel",
    "magics/test_magics",
    "magics/test_notebook",
    "sandboxd/test_fuzz_hub",
    "sandboxd/test_hub",
    "sandboxd/test_real",
    "server/",
    "store/",
    "test_docs",
)


def pytest_configure() -> None:
    """Take the default signals: a run in the background, as under nohup, ignores some.

    What a test starts would inherit that, and never hear of a Ctrl-C.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(specname="pytest_collection_modifyitems", tryfirst=True)  # before -m is read
def pytest_mark_slow(items: list[pytest.Item]) -> None:
    """Mark as ``slow`` what is below those paths."""
    for item in items:
        if item.path.relative_to(ROOT).as_posix().startswith(SLOW):
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(trylast=True)  # when every folder's own has set its marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not for the engine of this run."""
    places = {item.nodeid: item.path.relative_to(ROOT).as_posix() for item in items}
    runner.sort_out(config, items, places)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what was left out on an engine in Docker, and why."""
    if runner.RUNNER is not None:
        terminalreporter.write_line(f"engine: {runner.RUNNER}")
        for reason, count in runner.reasons(config).items():
            terminalreporter.write_line(f"left out: {count} {reason}")
