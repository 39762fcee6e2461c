"""The route table: every path of the interface and who answers there."""

from __future__ import annotations

from typing import Final

from .api_handlers import (
    CleanHandler,
    EngineHandler,
    OpenAPIHandler,
    SandboxHandler,
    TemplatesHandler,
    UnknownHandler,
)
from .base import PROXY, OrkeeHandler
from .engine_handlers import CacheCleanHandler, CacheHandler, InstallHandler
from .events_handler import EventsHandler
from .exec_socket import ExecSocketHandler
from .files_handlers import (
    ArchiveHandler,
    ContentHandler,
    FilesHandler,
    StartHandler,
    WatchHandler,
)
from .lifecycle_handlers import ExtendHandler, KeepHandler, PauseHandler, ResumeHandler
from .live_socket import LiveHandler
from .port_handlers import LinkHandler, WaitHandler
from .process_handlers import AttachHandler, ProcessesHandler, SignalHandler
from .proxy import ProxyHandler
from .query_handlers import SqlHandler
from .snapshot_handlers import ForkHandler, KeptHandler, SnapshotHandler, SnapshotsHandler
from .stats_handlers import StatsHandler
from .stream_handlers import LogsHandler, SandboxesHandler
from .terminal_handlers import TerminalHandler

API: Final = "/orkee/api"

_REF = r"([^/]+)"
_PID = r"([0-9]{1,9})"

#: Pattern below the server's base URL, and handler.
ROUTES: Final[tuple[tuple[str, type[OrkeeHandler]], ...]] = (
    (rf"{API}/sandbox", SandboxesHandler),
    (rf"{API}/sandbox/{_REF}", SandboxHandler),
    (rf"{API}/sandbox/{_REF}/logs", LogsHandler),
    (rf"{API}/sandbox/{_REF}/exec", ExecSocketHandler),
    (rf"{API}/sandbox/{_REF}/terminal", TerminalHandler),
    (rf"{API}/sandbox/{_REF}/processes", ProcessesHandler),
    (rf"{API}/sandbox/{_REF}/processes/{_PID}/attach", AttachHandler),
    (rf"{API}/sandbox/{_REF}/processes/{_PID}/signal", SignalHandler),
    (rf"{API}/sandbox/{_REF}/start", StartHandler),
    (rf"{API}/sandbox/{_REF}/stats", StatsHandler),
    (rf"{API}/sandbox/{_REF}/files", FilesHandler),
    (rf"{API}/sandbox/{_REF}/files/content", ContentHandler),
    (rf"{API}/sandbox/{_REF}/files/archive", ArchiveHandler),
    (rf"{API}/sandbox/{_REF}/files/watch", WatchHandler),
    (rf"{API}/sandbox/{_REF}/ports/(\d{{1,5}})/link", LinkHandler),
    (rf"{API}/sandbox/{_REF}/wait", WaitHandler),
    (rf"{PROXY}/{_REF}/(\d{{1,5}})(/.*)?", ProxyHandler),
    (rf"{API}/live", LiveHandler),
    (rf"{API}/sandbox/{_REF}/pause", PauseHandler),
    (rf"{API}/sandbox/{_REF}/resume", ResumeHandler),
    (rf"{API}/sandbox/{_REF}/extend", ExtendHandler),
    (rf"{API}/sandbox/{_REF}/keep", KeepHandler),
    (rf"{API}/sandbox/{_REF}/events", EventsHandler),
    (rf"{API}/sandbox/{_REF}/snapshot", SnapshotHandler),
    (rf"{API}/sandbox/{_REF}/fork", ForkHandler),
    (rf"{API}/snapshots", SnapshotsHandler),
    (rf"{API}/snapshots/{_REF}", KeptHandler),
    (rf"{API}/sql", SqlHandler),
    (rf"{API}/clean", CleanHandler),
    (rf"{API}/templates", TemplatesHandler),
    (rf"{API}/engine", EngineHandler),
    (rf"{API}/engine/cache", CacheHandler),
    (rf"{API}/engine/cache/clean", CacheCleanHandler),
    (rf"{API}/engine/install", InstallHandler),
    (rf"{API}/openapi\.json", OpenAPIHandler),
    (rf"{API}/.*", UnknownHandler),
)
