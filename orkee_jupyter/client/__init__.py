"""The client: sandboxes from Python code, sync and async, over a server that it finds.

Each face is imported when it is first used: the command line needs one of them, at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orkee_jupyter.sandbox.errors import OrkeeError
    from orkee_jupyter.sandbox.model import LogEntry

    from ._async.client import AsyncClient
    from ._async.sandbox import AsyncSandbox
    from ._async.streams import AsyncExecStream, AsyncLogStream
    from ._sync.client import Client
    from ._sync.sandbox import Sandbox
    from ._sync.streams import ExecStream, LogStream
    from .results import ExecResult

__all__ = [
    "AsyncClient",
    "AsyncExecStream",
    "AsyncLogStream",
    "AsyncSandbox",
    "Client",
    "ExecResult",
    "ExecStream",
    "LogEntry",
    "LogStream",
    "OrkeeError",
    "Sandbox",
]

_HOMES = {
    "AsyncClient": "orkee_jupyter.client._async.client",
    "AsyncExecStream": "orkee_jupyter.client._async.streams",
    "AsyncLogStream": "orkee_jupyter.client._async.streams",
    "AsyncSandbox": "orkee_jupyter.client._async.sandbox",
    "Client": "orkee_jupyter.client._sync.client",
    "ExecResult": "orkee_jupyter.client.results",
    "ExecStream": "orkee_jupyter.client._sync.streams",
    "LogEntry": "orkee_jupyter.sandbox.model",
    "LogStream": "orkee_jupyter.client._sync.streams",
    "OrkeeError": "orkee_jupyter.sandbox.errors",
    "Sandbox": "orkee_jupyter.client._sync.sandbox",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
