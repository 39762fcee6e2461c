"""The Jupyter server extension: its traits, its start and its stop."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import Any

from jupyter_server._tz import utcnow
from jupyter_server.extension.application import ExtensionApp
from traitlets import Enum, Float, Int, List, TraitError, Unicode, default, validate

from ..sandbox.errors import OrkeeError
from ..sandbox.limits import parse_memory
from ..sandbox.model import Limits
from ..sandbox.policy import Policy
from ..sandbox.settings import Settings
from . import events, signals, wiring
from .context import KEY, ServerContext
from .routes import ROUTES
from .unix_socket import LocalSocket
from .watchdog import LoopLag

#: Bytes below which a session of Dagger's could not do its work; an idle one has 105 MiB.
LEAST_SESSION_MEMORY = 256 << 20
#: Seconds that everything of ours may take to stop; the wiring's own bounds are within it.
STOP_TIMEOUT = 9.0

_DEFAULTS = Settings()
_PACKAGE_LOG = logging.getLogger("orkee_jupyter")


class OrkeeExtension(ExtensionApp):
    """Sandboxes for notebooks: a REST interface below ``/orkee/api``."""

    name = "orkee_jupyter"

    runner_host = Unicode(
        "",
        help="""The Dagger engine to use: unix://, tcp://, docker-container://, kube-pod:// …
        Empty: the native engine where it is installed, else Docker or Podman.""",
    ).tag(config=True)
    link = Enum(
        ["auto", "direct", "forwarded"],
        "auto",
        help="""How containers reach the server: "direct" into the native engine's network,
        "forwarded" over a socket that Dagger forwards, "auto" for direct where it works.""",
    ).tag(config=True)
    database = Unicode(
        "", help="The DuckDB file of the sandboxes. Empty: one in the user's data folder."
    ).tag(config=True)
    project = Unicode(
        "",
        help="""The project's folder, whose templates in .orkee/templates are offered.
        Empty: the server's root folder.""",
    ).tag(config=True)
    default_ttl = Int(
        _DEFAULTS.default_ttl,
        help="Seconds that a sandbox lives without activity, unless its creation says otherwise.",
    ).tag(config=True)
    reap_interval = Float(
        _DEFAULTS.reap_interval, help="Seconds between two looks for expired sandboxes."
    ).tag(config=True)
    max_sandboxes = Int(
        _DEFAULTS.max_sandboxes, help="How many sandboxes may be creating or active at once."
    ).tag(config=True)
    on_shutdown = Enum(
        ["pause", "stop"],
        _DEFAULTS.on_shutdown,
        help="""What becomes of active sandboxes when the server stops: "pause" keeps their
        workspaces, so that they can be resumed; "stop" empties them.""",
    ).tag(config=True)
    limits = Enum(
        ["auto", "inside"],
        "auto",
        help="""Who keeps sandboxes to their limits: "auto" has it done from outside where the
        engine can, and by sandboxd elsewhere; "inside" by sandboxd only.""",
    ).tag(config=True)
    allowed_images = List(
        Unicode(),
        help="""Patterns of images that sandboxes may be made from, such as "python:3.*" or
        "registry.example/team/*@sha256:*", compared with the image's name as it is given.
        Empty: all.""",
    ).tag(config=True)
    allowed_folders = List(
        Unicode(),
        help="""Patterns of folders below the server's root folder that `project_folder` may copy
        into a workspace. Empty: all.""",
    ).tag(config=True)
    allowed_networks = List(
        Unicode(),
        help="""Patterns of network policies that sandboxes may have, such as "none" and
        "allow:*.example,*". Empty: all.""",
    ).tag(config=True)
    allowed_ttl = Int(
        0, help="Seconds without use that a sandbox may ask to live for. 0: 7 days."
    ).tag(config=True)
    largest_memory = Unicode(
        "",
        help="""Memory that a sandbox may have, such as "2g"; one that asks for no limit gets this
        one. Empty: no limit. So are the next ones.""",
    ).tag(config=True)
    largest_cpus = Float(0.0, help="Processors' time that a sandbox may have.").tag(config=True)
    largest_pids = Int(0, help="Processes and threads that a sandbox may have.").tag(config=True)
    largest_timeout = Int(0, help="Seconds that a sandbox may be active in all.").tag(config=True)
    max_sandboxes_per_user = Int(
        0, help="Sandboxes of one user that may be creating, active or frozen at once. 0: any."
    ).tag(config=True)
    log_limit = Int(
        256 * 1024 * 1024, help="Bytes of output kept for each sandbox; the oldest go first."
    ).tag(config=True)
    session_memory = Int(
        1 << 30,
        help="""Bytes of memory that the `dagger session` process may have (1 GiB), from 256 MiB
        on; beyond that it ends, and its sandboxes are paused. 0: no cap.""",
    ).tag(config=True)
    max_snapshot_size = Int(
        10 << 30, help="Bytes that the archive of one snapshot may have (10 GiB)."
    ).tag(config=True)
    log_days = Float(
        _DEFAULTS.log_days,
        help="Days that the log of an ended sandbox stays readable after its last line.",
    ).tag(config=True)
    kept_logs = Int(
        _DEFAULTS.kept_logs,
        help="Logs of ended sandboxes that are kept; those with the oldest last lines go first.",
    ).tag(config=True)
    history_days = Float(
        _DEFAULTS.history_days, help="Days that events and commands are kept in the database."
    ).tag(config=True)
    history_rows = Int(
        _DEFAULTS.history_rows,
        help="Events, and commands, that are kept at most; the oldest go first.",
    ).tag(config=True)
    headless_idle_timeout = Float(
        600.0,
        help="Seconds without sandboxes and requests after which `orkee serve` ends itself.",
    ).tag(config=True)
    lag_limit = Float(
        0.0,
        help="""Log the stack of whatever keeps the event loop longer than this many seconds
        (for debugging; 0.05 is what Orkee promises). 0: do not measure.
        The environment's ORKEE_LAG_LIMIT gives the default.""",
    ).tag(config=True)

    @validate(
        *("default_ttl", "reap_interval", "max_sandboxes", "log_limit", "max_snapshot_size"),
        *("log_days", "kept_logs", "history_days", "history_rows"),
    )
    def _above_zero(self, proposal: Any) -> Any:
        if proposal["value"] <= 0:
            raise TraitError(f"OrkeeExtension.{proposal['trait'].name} is not above 0.")
        return proposal["value"]

    @validate("allowed_ttl", "largest_cpus", "largest_pids", "largest_timeout")
    def _not_below_zero(self, proposal: Any) -> Any:
        if proposal["value"] < 0:
            raise TraitError(f"OrkeeExtension.{proposal['trait'].name} is below 0.")
        return proposal["value"]

    @validate("session_memory")
    def _none_or_enough(self, proposal: Any) -> Any:
        if proposal["value"] != 0 and proposal["value"] < LEAST_SESSION_MEMORY:
            raise TraitError("OrkeeExtension.session_memory is neither 0 nor 256 MiB or more.")
        return proposal["value"]

    @default("lag_limit")
    def _lag_limit(self) -> float:
        try:
            return float(os.environ.get("ORKEE_LAG_LIMIT") or 0)
        except ValueError:
            return 0.0

    # -- Jupyter's hooks ------------------------------------------------

    def initialize_settings(self) -> None:
        """Put what the handlers need into the application's settings."""
        self._wired: wiring.Wired | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._starting: asyncio.Task[None] | None = None
        self._socket: LocalSocket | None = None
        self._lag = LoopLag(self.lag_limit) if self.lag_limit > 0 else None
        self._adopt_logger()
        self.context = ServerContext(self._touch)
        self.settings[KEY] = self.context
        events.register(self._server.event_logger)
        self._publisher = events.Publisher(
            self._server.event_logger, self.context.touch, self.context.live.changed
        )

    def initialize_handlers(self) -> None:
        """Add our routes to the server's."""
        self.handlers.extend(ROUTES)

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Start what needs the running loop. A failure is answered by the handlers."""
        signals.install(serverapp.stop)
        self._publisher.start()
        if self._lag is not None:
            self._lag.start()
        try:
            self._socket = LocalSocket(serverapp.web_app)
            self._socket.open()
        except Exception as error:
            # The server works without it; kernels then need a URL and a token.
            self.log.error("orkee: no unix socket: %s", error)
        # In a task of its own: a slow engine or disk does not hold up other extensions.
        self._starting = asyncio.create_task(self._wire())

    async def stop_extension(self) -> None:
        """Stop every sandbox. Never raises, ends in time, and may be called again meanwhile.

        Jupyter calls it once per signal, and an exception here would leave the server
        alive without its port.
        """
        try:
            if self._stopping is None:
                self._stopping = asyncio.create_task(self._stop_all())
            await asyncio.wait({self._stopping}, timeout=STOP_TIMEOUT)
        except Exception:
            self.log.exception("orkee: the stop failed")

    def current_activity(self) -> dict[str, int] | None:
        """Return what Jupyter's ``shutdown_no_activity_timeout`` must not end."""
        return {"sandboxes": self._publisher.live} if self._publisher.live else None

    # -- start and stop -------------------------------------------------

    @property
    def _server(self) -> Any:
        """The ServerApp; the trait may be None before it is linked."""
        assert self.serverapp is not None
        return self.serverapp

    def options(self) -> wiring.Options:
        """Return what the traits say, for the wiring."""
        return wiring.Options(
            settings=Settings(
                max_sandboxes=self.max_sandboxes,
                default_ttl=self.default_ttl,
                reap_interval=self.reap_interval,
                on_shutdown=self.on_shutdown,
                limits=self.limits,
                policy=self._policy(),
                log_days=self.log_days,
                kept_logs=self.kept_logs,
                history_days=self.history_days,
                history_rows=self.history_rows,
            ),
            database=Path(self.database).expanduser() if self.database else None,
            runner_host=self.runner_host or None,
            link=self.link,
            log_limit=self.log_limit,
            session_memory=self.session_memory,
            snapshot_limit=self.max_snapshot_size,
            project=Path(self.project or self._server.root_dir).expanduser(),
        )

    def _policy(self) -> Policy:
        """Return what is allowed. Raises TraitError for a size that is none."""
        try:
            memory = parse_memory(self.largest_memory) if self.largest_memory else None
        except OrkeeError as error:
            raise TraitError(f"OrkeeExtension.largest_memory: {error.cause}") from error
        return Policy(
            images=tuple(self.allowed_images),
            folders=tuple(self.allowed_folders),
            networks=tuple(self.allowed_networks),
            limits=Limits(memory, self.largest_cpus or None, self.largest_pids or None),
            timeout=self.largest_timeout or None,
            ttl=self.allowed_ttl or None,
            sandboxes=self.max_sandboxes_per_user or None,
        )

    async def _wire(self) -> None:
        try:
            self._wired = await wiring.build(self.options(), self._publisher)
        except Exception as error:
            self.log.error("orkee: could not start", exc_info=error)
            self.context.failed(wiring.as_error(error))
        else:
            self.context.ready(self._wired.manager)
            self.log.info("orkee: ready")

    async def _stop_all(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()  # the wiring closes what it had opened
            await asyncio.wait({self._starting}, timeout=2.0)
        self.context.stopping()
        if self._wired is not None:
            await self._wired.close()
        self.context.live.close()
        self.context.setup.close()
        if self._lag is not None:
            await self._lag.stop()
        self._leave_logger()

    def _adopt_logger(self) -> None:
        # Our modules log by their own names; without this they would have no handler here.
        self._parent, self._level = _PACKAGE_LOG.parent, _PACKAGE_LOG.level
        _PACKAGE_LOG.parent = self.log
        _PACKAGE_LOG.setLevel(self.log.level)

    def _leave_logger(self) -> None:
        if _PACKAGE_LOG.parent is self.log:
            _PACKAGE_LOG.parent = self._parent
            _PACKAGE_LOG.setLevel(self._level)

    def _touch(self) -> None:
        # Cullers read every setting that ends with _last_activity.
        self._server.web_app.settings["orkee_last_activity"] = utcnow()
