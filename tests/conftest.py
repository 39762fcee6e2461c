"""Which tests are slow: those with real servers, shells, databases or processes.

``make unit`` leaves them out and ends in seconds; ``make test`` runs everything.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them all ``slow``."""
    for item in items:
        if item.path.relative_to(ROOT).as_posix().startswith(SLOW):
            item.add_marker(pytest.mark.slow)
