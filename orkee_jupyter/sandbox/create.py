"""How a sandbox comes to be: drafted, admitted, brought up step by step, or failed whole."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from . import failpoint
from .clock import within
from .ending import Ending
from .errors import OrkeeError
from .filling import fill
from .forward import Forwarder
from .limiter import Limiter, check_end, explain
from .limits import merged
from .linking import Linker
from .model import CreateRequest, Exit, LogQuery, PortMapping, Sandbox, Status, Template
from .network import hosts_of
from .ports import Clock, ContainerDefinition, Content, Daemon, DaemonHub, Engine, Progress
from .problem import hide
from .refusals import defect, label
from .registry import Entry, Registry
from .settings import Settings
from .tasks import Tasks
from .validate import validate_env, validate_labels, validate_ttl
from .watch import Watch, exit_reason

log = logging.getLogger(__name__)

LAST_LINES = 20  # of the log that an error shows
LOG_PATIENCE = 1.0  # seconds for the log's end to arrive after the command's


def draft(
    sandbox_id: str,
    owner: str,
    request: CreateRequest,
    template: Template,
    now: float,
    settings: Settings,
) -> Sandbox:
    """Return the row that a request and its template ask for, in state ``creating``.

    Raises ``not_allowed_by_policy``, ``invalid_ttl`` beyond the server's limit,
    ``invalid_request`` if request and template together are too large.
    """
    ttl = validate_ttl(request.ttl or template.ttl, settings.max_ttl)
    if request.ttl is None and settings.policy.ttl is not None:
        ttl = min(ttl, settings.policy.ttl)  # nobody has asked for more
    settings.policy.check_ttl(ttl)
    if request.project_folder is not None:
        settings.policy.check_folder(request.project_folder)
    env: Mapping[str, str] = validate_env({**template.env, **request.env})
    ports = template.ports if request.ports is None else request.ports
    drafted = Sandbox(
        id=sandbox_id,
        user_id=owner,
        status=Status.CREATING,
        template=template.name,
        image=request.image or template.image,
        created_at=int(now),
        last_active_at=int(now),
        expires_at=int(now) + ttl,
        project_id=request.project,
        name=request.name,
        working_directory=request.working_directory or template.working_directory,
        ports=ports,
        port_map=tuple(
            PortMapping(port, request.host_ports.get(port), asked=True) for port in ports
        ),
        command=template.command if request.command is None else request.command,
        env=env,
        labels=validate_labels({**template.labels, **request.labels}),
        ttl=ttl,
        on_expiry=request.on_expiry or template.on_expiry,
        limits=merged(request.limits, template.limits),
        timeout=template.timeout if request.timeout is None else request.timeout,
        setup=template.setup,
        secrets=tuple(request.secrets),
        network=request.network or template.network,
        links=template.links if request.links is None else request.links,
        host_ports=request.host_ports,
    )
    return settings.policy.applied(drafted)


class Creator:
    """Creates sandboxes. A creation that fails or is broken off leaves nothing behind."""

    def __init__(
        self,
        registry: Registry,
        engine: Engine,
        hub: DaemonHub,
        clock: Clock,
        settings: Settings,
        tasks: Tasks,
        ending: Ending,
        watch: Watch,
        forwarder: Forwarder,
        limiter: Limiter,
        linker: Linker,
    ) -> None:
        self._registry = registry
        self._engine = engine
        self._hub = hub
        self._clock = clock
        self._settings = settings
        self._tasks = tasks
        self._ending = ending
        self._watch = watch
        self._forwarder = forwarder
        self._limiter = limiter
        self._linker = linker

    async def create(
        self,
        sandbox: Sandbox,
        setup: tuple[str, ...],
        progress: Progress,
        *,
        start: bool = True,
        wait: bool = True,
        content: Content | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> Sandbox:
        """Bring a drafted sandbox up and return its active row; its first one without ``wait``.

        Raises what went wrong, after everything was taken down again. Cancelling it
        breaks the creation off and waits until nothing is left. Without ``start`` its
        command waits for :meth:`start`.
        """
        self._settings.policy.check_number(self._registry.running(), sandbox.user_id)
        self._linker.check(sandbox)
        entry = self._registry.admit(sandbox, self._settings.max_sandboxes)
        entry.filling, entry.secrets = content, secrets or {}
        entry.command_waits = not start and sandbox.command is not None
        entry.creation = self._tasks.spawn(self._conduct(entry, setup, progress))
        if not wait:
            return await self._begun(entry, entry.creation)
        try:
            return await asyncio.shield(entry.creation)
        except asyncio.CancelledError:
            await self._break_off(entry, entry.creation)
            raise

    async def _begun(self, entry: Entry, creation: asyncio.Task[Sandbox]) -> Sandbox:
        """Return once the row is written; the creation goes on, whoever waits here."""
        written = self._tasks.spawn(entry.written.wait())
        try:
            await asyncio.wait({creation, written}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            written.cancel()
        if not entry.written.is_set():
            await creation  # raises why it could not be
        return entry.sandbox

    async def _break_off(self, entry: Entry, creation: asyncio.Task[Sandbox]) -> None:
        """End a creation whose caller has gone, also if it was just done."""
        entry.abort(Status.FAILED, _cancelled(entry.sandbox))
        await asyncio.wait({creation})
        if entry.sandbox.status is Status.ACTIVE and entry.ending is None:
            await asyncio.wait({self._ending.begin(entry, "its creation was cancelled")})

    async def _conduct(self, entry: Entry, setup: tuple[str, ...], progress: Progress) -> Sandbox:
        """Run the steps in a task that can be cancelled; this one is not, so it can tidy up."""
        try:
            await self._registry.insert(entry)
        except BaseException:
            self._registry.drop(entry)
            raise
        error = entry.aborted[1] if entry.aborted else await self._run_steps(entry, setup, progress)
        error = error or await self._activate(entry)
        if error is not None:
            to = entry.aborted[0] if entry.aborted else Status.FAILED
            reason = error.details.get("reason") or error.cause
            async with entry.moving:
                await self._ending.finish(entry, to, reason, error=error)
            raise error
        self._follow(entry)
        return entry.sandbox

    def _follow(self, entry: Entry) -> None:
        self._watch.begin(entry)
        if entry.daemon is not None and entry.ending is None:
            entry.watchers.append(self._tasks.spawn(self._forwarder.follow(entry)))

    async def again(
        self, entry: Entry, setup: tuple[str, ...], progress: Progress
    ) -> OrkeeError | None:
        """Bring a paused sandbox up and make it active; return what went wrong, if it did.

        What was made until then is left for the caller to take down.
        """
        error = await self._run_steps(entry, setup, progress) or await self._activate(entry)
        if error is None:
            self._follow(entry)
        return error

    async def _run_steps(
        self, entry: Entry, setup: tuple[str, ...], progress: Progress
    ) -> OrkeeError | None:
        entry.steps = self._tasks.spawn(self._bring_up(entry, setup, progress))
        await asyncio.wait({entry.steps})
        if entry.aborted is not None:
            return entry.aborted[1]
        if entry.steps.cancelled():
            return _cancelled(entry.sandbox)
        error = entry.steps.exception()
        if error is None or isinstance(error, OrkeeError):
            return error
        return defect(entry.sandbox, error)

    async def _bring_up(self, entry: Entry, setup: tuple[str, ...], progress: Progress) -> None:
        """Engine, place, container, daemon, command: one after the other."""
        sandbox = entry.sandbox
        tell = self._teller(entry, progress)
        await failpoint.reach("create.row")
        await self._engine.prepare(tell)
        await failpoint.reach("create.engine")
        entry.placed = True
        endpoint = await self._hub.open(sandbox.id)
        await failpoint.reach("create.link")
        self._forwarder.open(entry)
        definition = ContainerDefinition(
            sandbox_id=sandbox.id,
            image=sandbox.image,
            setup=setup,
            working_directory=sandbox.working_directory,
            endpoint=endpoint,
            fresh=not entry.workspace,
        )
        tell(f"starting a container from {sandbox.image}")
        entry.started = entry.workspace = True
        container_id = await self._start(entry, definition, tell)
        await failpoint.reach("create.container")
        tell("waiting for the container to connect")
        entry.daemon = await self._hub.connected(sandbox.id, self._settings.link_timeout)
        await failpoint.reach("create.daemon")
        entry.sandbox = entry.sandbox.with_(container_id=container_id, link=endpoint.link)
        await self._limiter.apply(entry, entry.daemon)
        hosts = hosts_of(sandbox.network)
        if hosts is not None:
            entry.fence = await self._engine.police(sandbox.id, hosts, endpoint.address)
        await self._linker.connect(entry)
        if entry.filling is not None:
            tell(f"copying {entry.filling.what}")
            await fill(entry.daemon, entry.filling)
            entry.filling = None
            await failpoint.reach("create.files")
        if not entry.command_waits:
            tell("starting the command" if sandbox.command else "making ready")
            await self._start_command(entry, entry.daemon)
        await failpoint.reach("create.command")

    async def _start_command(self, entry: Entry, daemon: Daemon) -> None:
        sandbox = entry.sandbox
        await daemon.start(
            sandbox.command, sandbox.env, sandbox.working_directory, entry.secrets or None
        )
        if sandbox.command is not None:
            await self._watch_beginning(entry, daemon)

    async def start(self, entry: Entry, daemon: Daemon) -> Sandbox:
        """Start the command that waits, if one does, and return the sandbox.

        Raises ``command_*`` and ``invalid_directory``; the sandbox stays active then.
        """
        if entry.command_waits:
            entry.command_waits = False
            # To its end, also when the caller goes: half a start is none that could be told of.
            await asyncio.shield(self._tasks.spawn(self._start_late(entry, daemon)))
        return entry.sandbox

    async def _start_late(self, entry: Entry, daemon: Daemon) -> None:
        try:
            await self._start_command(entry, daemon)
        except OrkeeError as error:
            # What could not be started can be tried again, what has ended cannot.
            ended = ("command_exited", "sandbox_lost", "limit_exceeded")
            entry.command_waits = error.code not in ended
            raise

    async def _start(self, entry: Entry, definition: ContainerDefinition, tell: Progress) -> str:
        try:
            return await self._engine.start(definition, tell)
        except OrkeeError:
            # The engine says that there is no container, so nothing wrote to the workspace.
            entry.workspace = not definition.fresh
            raise

    async def _watch_beginning(self, entry: Entry, daemon: Daemon) -> None:
        """Notice a command that ends at once.

        Raises ``command_exited``, ``sandbox_lost``, ``limit_exceeded`` if that was why.
        """
        ended = await self._first_within(daemon, self._settings.exit_window)
        if ended is None and not await _runs(daemon):
            ended = await self._first_within(daemon, LOG_PATIENCE)  # its news is late
        if ended is None:
            return
        if isinstance(ended, str):
            lost = OrkeeError(
                "sandbox_lost",
                f"The sandbox {label(entry.sandbox)} was lost at its start: {ended}.",
                "Create it again.",
            )
            raise await explain(entry, lost)
        entry.sandbox = entry.sandbox.with_(exit_code=ended.exit_code, reason=exit_reason(ended))
        if ended.exit_code != 0:
            await check_end(entry, ended)
            lines = await self._last_lines(entry.sandbox.id)
            raise _exited(ended, [hide(line, entry.sandbox.env, entry.secrets) for line in lines])

    async def _first_within(self, daemon: Daemon, seconds: float) -> Exit | str | None:
        try:
            return await within(self._clock, seconds, _first(daemon))
        except TimeoutError:
            return None

    async def _last_lines(self, sandbox_id: str) -> list[str]:
        """Return the end of the log; it may arrive a moment after the exit."""
        data = bytearray()

        async def read() -> None:
            async for entry in self._hub.logs(sandbox_id, LogQuery(follow=True, tail=LAST_LINES)):
                data.extend(entry.data)

        try:
            await within(self._clock, LOG_PATIENCE, read())
        except (TimeoutError, OrkeeError):
            log.debug("The log of sandbox %s did not end in time.", sandbox_id)
        return data.decode(errors="replace").splitlines()[-LAST_LINES:]

    def _teller(self, entry: Entry, progress: Progress) -> Progress:
        """Return a progress that also notes the step, and that no listener can break."""

        def tell(sentence: str) -> None:
            self._registry.step(entry, sentence)
            try:
                progress(sentence)
            except Exception:
                log.debug("A listener of a creation's progress failed.", exc_info=True)

        return tell

    async def _activate(self, entry: Entry) -> OrkeeError | None:
        """Make the sandbox active; a row that cannot be written is a failed creation."""
        reason = entry.sandbox.reason
        ends = int(self._clock.now()) + entry.sandbox.ttl  # a long pull takes nothing off it
        entry.sandbox = entry.sandbox.with_(
            host_url=self._forwarder.first(entry),
            expires_at=max(entry.sandbox.expires_at, ends),
        )
        entry.step = None  # published with the move
        try:
            await self._registry.move(entry, Status.ACTIVE, reason, strict=True)
            await failpoint.reach("create.active")
        except OrkeeError as error:
            return error
        except Exception as error:
            return defect(entry.sandbox, error)
        return entry.aborted[1] if entry.aborted else None


async def _runs(daemon: Daemon) -> bool:
    """Whether the main command runs, as far as the daemon can be asked."""
    try:
        return any(each.kind == "main" for each in await daemon.processes())
    except OrkeeError:
        return True


async def _first(daemon: Daemon) -> Exit | str:
    """Return the main command's exit, or the reason why the daemon was lost before it."""

    async def main_exit() -> Exit:
        return await daemon.main_exit()

    async def lost() -> str:
        return await daemon.lost()

    waits: tuple[asyncio.Task[Exit], asyncio.Task[str]] = (
        asyncio.ensure_future(main_exit()),
        asyncio.ensure_future(lost()),
    )
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        return waits[0].result() if waits[0].done() else waits[1].result()
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


def _exited(ended: Exit, lines: list[str]) -> OrkeeError:
    last = f" Its last line: {lines[-1][:200]!r}." if lines else " It printed nothing."
    return OrkeeError(
        "command_exited",
        f"The {exit_reason(ended)} at once.{last}",
        "Correct the command, or create the sandbox without one and run it with exec.",
        details={"exit_code": ended.exit_code, "signal": ended.signal, "lines": lines},
    )


def _cancelled(sandbox: Sandbox) -> OrkeeError:
    return OrkeeError(
        "sandbox_not_active",
        f"The creation of sandbox {label(sandbox)} was cancelled.",
        "Create it again if that was not meant.",
        details={"id": sandbox.id, "reason": "its creation was cancelled"},
    )
