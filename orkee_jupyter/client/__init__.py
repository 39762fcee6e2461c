"""The client: sandboxes from Python code, sync and async, over a server that it finds.

Each face is imported when it is first used: the command line needs one of them, at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orkee_jupyter.sandbox.errors import OrkeeError
    from orkee_jupyter.sandbox.model import Exit, FileEntry, LogEntry, show_bytes
    from orkee_jupyter.sandbox.usage import Stats

    from ._async.background import AsyncBackground
    from ._async.client import AsyncClient
    from ._async.files import AsyncFiles
    from ._async.process import AsyncProcess
    from ._async.sandbox import AsyncSandbox
    from ._async.streams import AsyncExecStream, AsyncLogStream
    from ._async.terminal import AsyncTerminal
    from ._sync.background import Background
    from ._sync.client import Client
    from ._sync.files import Files
    from ._sync.process import Process
    from ._sync.sandbox import Sandbox
    from ._sync.streams import ExecStream, LogStream
    from ._sync.terminal import Terminal
    from .answers import QueryResult
    from .kept import Snapshot
    from .results import ExecResult
    from .transfers import FileChange, Pushed, Synced
    from .unpacking import Pulled

__all__ = [
    "AsyncBackground",
    "AsyncClient",
    "AsyncExecStream",
    "AsyncFiles",
    "AsyncLogStream",
    "AsyncProcess",
    "AsyncSandbox",
    "AsyncTerminal",
    "Background",
    "Client",
    "ExecResult",
    "ExecStream",
    "Exit",
    "FileChange",
    "FileEntry",
    "Files",
    "LogEntry",
    "LogStream",
    "OrkeeError",
    "Process",
    "Pulled",
    "Pushed",
    "QueryResult",
    "Sandbox",
    "Snapshot",
    "Stats",
    "Synced",
    "Terminal",
    "show_bytes",
]

_HOMES = {
    "AsyncBackground": "orkee_jupyter.client._async.background",
    "Background": "orkee_jupyter.client._sync.background",
    "AsyncClient": "orkee_jupyter.client._async.client",
    "AsyncExecStream": "orkee_jupyter.client._async.streams",
    "AsyncFiles": "orkee_jupyter.client._async.files",
    "AsyncLogStream": "orkee_jupyter.client._async.streams",
    "AsyncProcess": "orkee_jupyter.client._async.process",
    "AsyncSandbox": "orkee_jupyter.client._async.sandbox",
    "AsyncTerminal": "orkee_jupyter.client._async.terminal",
    "Client": "orkee_jupyter.client._sync.client",
    "ExecResult": "orkee_jupyter.client.results",
    "ExecStream": "orkee_jupyter.client._sync.streams",
    "Exit": "orkee_jupyter.sandbox.model",
    "FileChange": "orkee_jupyter.client.transfers",
    "FileEntry": "orkee_jupyter.sandbox.model",
    "Files": "orkee_jupyter.client._sync.files",
    "LogEntry": "orkee_jupyter.sandbox.model",
    "LogStream": "orkee_jupyter.client._sync.streams",
    "OrkeeError": "orkee_jupyter.sandbox.errors",
    "Process": "orkee_jupyter.client._sync.process",
    "Pulled": "orkee_jupyter.client.unpacking",
    "Pushed": "orkee_jupyter.client.transfers",
    "QueryResult": "orkee_jupyter.client.answers",
    "Sandbox": "orkee_jupyter.client._sync.sandbox",
    "Snapshot": "orkee_jupyter.client.kept",
    "Stats": "orkee_jupyter.sandbox.usage",
    "Synced": "orkee_jupyter.client.transfers",
    "Terminal": "orkee_jupyter.client._sync.terminal",
    "show_bytes": "orkee_jupyter.sandbox.model",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
