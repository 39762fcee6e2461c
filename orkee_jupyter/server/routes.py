"""The route table: every path of the interface and who answers there."""

from __future__ import annotations

from typing import Final

from .api_handlers import (
    CleanHandler,
    EngineHandler,
    OpenAPIHandler,
    SandboxHandler,
    TemplatesHandler,
)
from .base import OrkeeHandler
from .stream_handlers import ExecHandler, LogsHandler, SandboxesHandler

API: Final = "/orkee/api"

_REF = r"([^/]+)"

#: Pattern below the server's base URL, and handler.
ROUTES: Final[tuple[tuple[str, type[OrkeeHandler]], ...]] = (
    (rf"{API}/sandbox", SandboxesHandler),
    (rf"{API}/sandbox/{_REF}", SandboxHandler),
    (rf"{API}/sandbox/{_REF}/logs", LogsHandler),
    (rf"{API}/sandbox/{_REF}/exec", ExecHandler),
    (rf"{API}/clean", CleanHandler),
    (rf"{API}/templates", TemplatesHandler),
    (rf"{API}/engine", EngineHandler),
    (rf"{API}/openapi\.json", OpenAPIHandler),
)
