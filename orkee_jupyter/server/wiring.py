"""Puts the parts together: the one module of the server that knows which store, engine
and daemon hub there are. They are imported when they are wired, not before."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import paths
from ..sandbox.errors import OrkeeError
from ..sandbox.heap import uncollected
from ..sandbox.model import Sandbox
from ..sandbox.settings import Settings

if TYPE_CHECKING:
    from ..sandbox.manager import SandboxManager

log = logging.getLogger(__name__)

#: Seconds that each part may take to stop, in the order of the stop; 8.5 in all.
_MANAGER_STOP = 5.5
_HUB_STOP = 0.5
_ENGINE_STOP = 1.5
_STORE_STOP = 2.0
#: Seconds after which a thread that computes lets another one on.
_TURN = 0.001


@dataclass(frozen=True, slots=True)
class Options:
    """What the traits say."""

    settings: Settings
    database: Path | None = None
    runner_host: str | None = None
    link: str = "auto"
    log_limit: int = 256 * 1024 * 1024  # bytes of kept log per sandbox
    session_memory: int = 1 << 30  # bytes of the `dagger session` process, 0: no cap
    snapshot_limit: int = 10 << 30  # bytes of a snapshot's archive
    project: Path | None = None  # the folder whose .orkee/templates are offered


@dataclass(frozen=True, slots=True)
class Wired:
    """The manager, and how to stop everything in an order that loses nothing."""

    manager: SandboxManager
    stops: tuple[tuple[str, float, Callable[[], Awaitable[Any]]], ...]

    async def close(self) -> None:
        """Stop each part within its time, whatever the others do. Never raises."""
        for name, seconds, stop in self.stops:
            await stop_within(name, seconds, stop)


async def stop_within(name: str, seconds: float, stop: Callable[[], Awaitable[Any]]) -> None:
    """Await a stop; log it instead of raising when it fails or takes longer than ``seconds``.

    A stop that does not heed its cancellation is left behind rather than waited for.
    """

    async def run() -> None:
        await stop()

    task = asyncio.ensure_future(run())
    _done, pending = await asyncio.wait({task}, timeout=seconds)
    if pending:
        task.cancel()
        log.warning("orkee: the %s did not stop within %.1f s", name, seconds)
    elif not task.cancelled() and (error := task.exception()) is not None:
        log.error("orkee: the %s did not stop in order", name, exc_info=error)


def _load() -> None:
    """Import the large parts, of which the SDK is the largest."""
    with uncollected():
        from ..dagger.engine import DaggerEngine  # noqa: F401
        from ..sandboxd.hub import Hub  # noqa: F401
        from ..store.repository import DuckDBStore  # noqa: F401
        from ..store.shelf import SnapshotShelf  # noqa: F401
    # The SDK computes in a thread of its own; after every system call the server's loop
    # would have to wait up to 5 ms, Python's default, for its turn.
    sys.setswitchinterval(min(sys.getswitchinterval(), _TURN))


async def build(options: Options, publish: Callable[[Sandbox], None]) -> Wired:
    """Return a manager that has started, with a real store, engine and hub.

    Raises OrkeeError: what was opened before the failure is closed again.
    """
    await asyncio.to_thread(_load)  # on the loop it would stand still for a second
    from ..dagger.engine import DaggerEngine
    from ..sandbox.manager import SandboxManager
    from ..sandbox.templates import TemplateCatalogue
    from ..sandboxd.hub import Hub
    from ..store.repository import DuckDBStore
    from ..store.shelf import SnapshotShelf

    data = paths.data_dir()
    stops: list[tuple[str, float, Callable[[], Awaitable[Any]]]] = []
    try:
        store = await DuckDBStore.open(
            options.database or data / "sandboxes.duckdb",
            on_notice=lambda sentence: log.warning("orkee: %s", sentence),
        )
        stops.insert(0, ("database", _STORE_STOP, store.close))
        engine = DaggerEngine(options.runner_host, data, session_memory=options.session_memory)
        stops.insert(0, ("engine", _ENGINE_STOP, engine.close))
        hub = Hub(
            runtime_dir=paths.runtime_dir(),
            log_dir=data / "sandboxes",
            direct_listener=engine.direct_listener,
            link=options.link,
            log_limit=options.log_limit,
        )
        stops.insert(0, ("hub", _HUB_STOP, hub.shutdown))
        shelf = SnapshotShelf(data / "snapshots", options.snapshot_limit)
        manager = SandboxManager(
            store=store,
            engine=engine,
            hub=hub,
            templates=TemplateCatalogue(
                user_folder=paths.config_dir() / "templates",
                project_folder=options.project and options.project / ".orkee" / "templates",
            ),
            shelf=shelf,
            settings=options.settings,
            history=store.history,
            publish=publish,
        )
        stops.insert(0, ("manager", _MANAGER_STOP, manager.shutdown))
        await manager.startup()
        await shelf.sweep()
    except BaseException:
        for name, seconds, stop in stops:
            await stop_within(name, seconds, stop)
        raise
    return Wired(manager, tuple(stops))


def as_error(error: BaseException) -> OrkeeError:
    """Return the OrkeeError to answer with when the wiring failed with ``error``."""
    if isinstance(error, OrkeeError):
        return error
    return OrkeeError(
        "internal",
        f"Orkee could not start ({type(error).__name__}).",
        "The server's log has the traceback.",
    )
