"""``python -m tests.faults.hostile_server``: a Jupyter server whose containers get another
program than sandboxd, the one that ``ORKEE_TEST_DAEMON`` names. Nothing else is changed."""

from __future__ import annotations

import os
from pathlib import Path

from jupyter_server.serverapp import launch_new_instance

from orkee_jupyter.sandboxd import binary

VARIABLE = "ORKEE_TEST_DAEMON"


def hostile(arch: str | None = None) -> Path:
    """Return the program, in place of the one for an architecture."""
    return Path(os.environ[VARIABLE])


if __name__ == "__main__":
    binary.binary = hostile  # the engine is imported later, and takes this one
    launch_new_instance()
