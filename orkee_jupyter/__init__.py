"""Orkee for Jupyter: run containers from a notebook.

``from orkee_jupyter import Sandbox`` is the face for Python code; ``%load_ext
orkee_jupyter`` loads the magics; a Jupyter server finds its extension here.
Everything is imported when it is first used: a kernel never loads the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import AsyncSandbox, Sandbox
    from .sandbox.errors import OrkeeError
    from .widget import Dashboard

__all__ = ["AsyncSandbox", "Dashboard", "OrkeeError", "Sandbox", "load_ipython_extension"]


def __getattr__(name: str) -> Any:
    if name in ("AsyncSandbox", "Sandbox"):
        from . import client

        return getattr(client, name)
    if name == "Dashboard":
        from . import widget

        return widget.Dashboard
    if name == "OrkeeError":
        from .sandbox.errors import OrkeeError

        return OrkeeError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Tell a Jupyter server which extension this package brings."""
    from .server.app import OrkeeExtension

    return [{"module": "orkee_jupyter.server.app", "app": OrkeeExtension}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Tell JupyterLab's tools where this package's front end is."""
    return [{"src": "labextension", "dest": "orkee-jupyter"}]


def load_ipython_extension(ipython: Any) -> None:
    """Register the magics: what ``%load_ext orkee_jupyter`` calls."""
    from .magics.magics import load

    load(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """Take the magics away: what ``%unload_ext orkee_jupyter`` calls."""
    from .magics.magics import unload

    unload(ipython)
