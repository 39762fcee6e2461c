"""The daemon of one sandbox as the server sees it: its connections, requests, and loss."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..sandbox.errors import OrkeeError
from ..sandbox.files import FileRequest
from ..sandbox.model import ExecRequest, Exit, Limits, Process, TerminalRequest
from ..sandbox.usage import Usage
from .connection import Connection
from .control import Control, ControlLost, Refused
from .execute import ExecStream, PortStream, RawPort, check_signal, decode_exit, start_error
from .files import FileStream
from .frames import ProtocolError
from .listening import Listening
from .logs import LogSpool
from .processes import AttachStream, decode_processes, kill_error
from .pump import LogPump
from .stream import number
from .terminal import TerminalStream
from .usage import decode_breach, decode_usage, limit_error, limit_params

logger = logging.getLogger(__name__)

#: Connections of one sandbox, control and idle ones included.
MAX_CONNECTIONS = 600
#: Idle connections that are kept; a daemon needs two.
MAX_IDLE = 16


@dataclass(frozen=True, slots=True)
class Timing:
    """Time limits in seconds; tests use shorter ones."""

    hello: float = 10.0  # from a connection's start to its HELLO
    heartbeat: float = 5.0  # between pings
    missed: int = 4  # unanswered pings that make a daemon lost
    redial: float = 20.0  # without a control connection
    gone: float = 3.0  # without any connection: a container's end closes them all
    take: float = 10.0  # for a stream connection, and for the answer to OPEN
    request: float = 10.0  # for the answer to a control request
    last_log: float = 2.0  # for the log's end before an exit is told


class _Idle:
    """The role of a connection in reserve: nothing may come but its end."""

    def frame(self, kind: int, payload: memoryview) -> None:
        raise ProtocolError("it sent a frame on an idle connection")

    def closed(self, reason: str) -> None:
        """Nothing to do: the daemon object keeps the list."""


class Daemon:
    """The sandboxd of one running sandbox; see :class:`orkee_jupyter.sandbox.ports.Daemon`."""

    def __init__(self, sandbox_id: str, spool: LogSpool, timing: Timing) -> None:
        loop = asyncio.get_running_loop()
        self._sandbox_id = sandbox_id
        self._spool = spool
        self._timing = timing
        self._connections: set[Connection] = set()
        self._idle: deque[Connection] = deque()
        self._waiters: deque[asyncio.Future[Connection]] = deque()
        self._control: Control | None = None
        self._control_there = asyncio.Event()
        self._control_gone_at = 0.0
        self._grace: asyncio.TimerHandle | None = None
        self._stopping = False
        self._lost: asyncio.Future[str] = loop.create_future()
        self._exit: asyncio.Future[Exit] = loop.create_future()
        self._exit_told = False
        self._breach: asyncio.Future[str] = loop.create_future()
        self._told: Callable[[Usage], object] = lambda _: None
        self._empty = asyncio.Event()
        self._empty.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pump = LogPump(spool, self._take, timing.take)
        #: The ports that programs in the sandbox listen on.
        self.listening = Listening()
        #: Set at the first control connection.
        self.connected = asyncio.Event()

    # -- connections ---------------------------------------------------------

    def adopt(self, connection: Connection, kind: str) -> None:
        """Take over a connection whose HELLO was right."""
        if self._lost.done() or len(self._connections) >= MAX_CONNECTIONS:
            connection.abort()
            return
        self._connections.add(connection)
        self._empty.clear()
        connection.on_closed = self._connection_closed
        connection.on_broken = self._broken
        if kind == "control":
            self._take_control(connection)
        else:
            self._add_idle(connection)
        self._watch_loss()

    def _take_control(self, connection: Connection) -> None:
        # The newest wins: the old one may be dead without our knowing.
        old = self._control
        self._control = Control(
            connection, self._timing.heartbeat, self._take_notice, self._control_closed
        )
        if old is not None:
            old.abort()
        self._control_there.set()
        if not self.connected.is_set():
            self.connected.set()
            self._spawn(self._heartbeat())
            self._spawn(self._run_pump())

    def _add_idle(self, connection: Connection) -> None:
        connection.role = _Idle()
        connection.allow()
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if len(self._idle) < MAX_IDLE:
            self._idle.append(connection)
        else:
            connection.abort()

    async def _take(self) -> Connection:
        """Return an idle stream connection. Raises ``sandbox_lost`` or ``link_failed``."""
        self._check_there()
        while self._idle:
            connection = self._idle.popleft()
            if not connection.is_closed:
                return connection
        waiter: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._timing.take):
                return await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._add_idle(waiter.result())  # it came, but nobody waits any more
            if isinstance(error, TimeoutError):
                raise OrkeeError(
                    "link_failed",
                    f"The daemon in the sandbox opened no stream within {self._timing.take:g} s.",
                    "Try again; if it stays so, stop the sandbox and create it anew.",
                ) from error
            raise

    def _connection_closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if not self._connections:
            self._empty.set()
        self._watch_loss()

    def _control_closed(self, control: Control) -> None:
        if control is self._control:
            self._control = None
            self._control_there.clear()
            self._control_gone_at = asyncio.get_running_loop().time()

    def _watch_loss(self) -> None:
        """Give a daemon without a control connection its time to redial, and no more."""
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        if self._lost.done() or self._control is not None or not self.connected.is_set():
            return
        loop = asyncio.get_running_loop()
        deadline = self._control_gone_at + self._timing.redial
        reason = "the daemon did not connect again"
        if not self._connections:
            deadline = min(deadline, loop.time() + (0 if self._stopping else self._timing.gone))
            reason = (
                "the sandbox was stopped" if self._stopping else "the sandbox's container ended"
            )
        self._grace = loop.call_at(deadline, self._lose, reason)

    def _broken(self, connection: Connection, cause: str) -> None:
        logger.warning("sandbox %s: the daemon broke the protocol: %s", self._sandbox_id, cause)
        self._lose(f"the daemon broke the protocol: {cause}")

    def _lose(self, reason: str) -> None:
        if self._lost.done():
            return
        self._lost.set_result(reason)
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(self._lost_error())
                waiter.exception()  # a waiter that was cancelled just now does not ask
        self._waiters.clear()
        self._idle.clear()
        self._control_there.set()  # who waits for it looks at the loss
        for connection in list(self._connections):
            connection.abort(reason)

    def _lost_error(self) -> OrkeeError:
        return OrkeeError(
            "sandbox_lost",
            f"The sandbox is gone: {self._lost.result()}.",
            "Create a new one; the log of this one says what it did last.",
        )

    def _check_there(self) -> None:
        if self._lost.done():
            raise self._lost_error()

    # -- tasks ---------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("sandbox %s: a task failed", self._sandbox_id, exc_info=error)
            self._lose("the server could not handle its daemon")

    async def _heartbeat(self) -> None:
        while not self._lost.done():
            if self._control is not None and self._control.ping() >= self._timing.missed:
                self._lose("the daemon stopped answering")
            await asyncio.wait({self._lost}, timeout=self._timing.heartbeat)

    async def _run_pump(self) -> None:
        try:
            await self._pump.run()
        except OrkeeError as error:
            if not self._lost.done():
                logger.warning("sandbox %s: its log ends here: %s", self._sandbox_id, error)
        finally:
            self._spool.finish()

    def _take_notice(self, body: Mapping[str, Any]) -> None:
        if body.get("event") == "ports":
            self.listening.take(body)
            return
        if body.get("event") == "stats":
            self._told(decode_usage(body))
            return
        if body.get("event") == "limit":
            kind = decode_breach(body)
            if not self._breach.done():
                self._breach.set_result(kind)
            return
        if body.get("event") != "exit" or self._exit_told:
            return
        last_seq = number(body, "last_seq", 0, 2**63)
        told = decode_exit(body)
        self._exit_told = True
        self._spawn(self._tell_exit(told, last_seq))

    async def _tell_exit(self, told: Exit, last_seq: int) -> None:
        """Tell the exit once the log that came before it is kept, so that it can be shown."""
        try:
            async with asyncio.timeout(self._timing.last_log):
                await self._spool.wait_for(last_seq)
        except TimeoutError:
            logger.warning("sandbox %s: the end of its log is late", self._sandbox_id)
        finally:
            self._exit.set_result(told)

    # -- what the manager calls ----------------------------------------------

    async def start(
        self, command: Sequence[str] | None, env: Mapping[str, str], cwd: str
    ) -> int | None:
        """Start the main command, once; return its pid.

        Raises ``command_not_found``, ``command_not_executable``, ``invalid_directory``,
        ``link_failed``, ``sandbox_lost``.
        """
        await self._wait_for_log()
        params = {"command": list(command) if command else None, "env": dict(env), "cwd": cwd}
        try:
            result = await self._request("start", params)
        except Refused as refused:
            name = command[0] if command else ""
            raise start_error(refused.code, refused.message, name, cwd) from refused
        pid = result.get("pid")
        return pid if isinstance(pid, int) else None

    async def _wait_for_log(self) -> None:
        try:
            async with asyncio.timeout(self._timing.take):
                await self._unless_lost(self._pump.attached)
        except TimeoutError:
            logger.warning("sandbox %s: the log is not attached yet", self._sandbox_id)
        self._check_there()

    async def _unless_lost(self, event: asyncio.Event) -> None:
        """Wait for an event, or for the loss of the daemon."""
        happened = asyncio.ensure_future(event.wait())
        waits: set[asyncio.Future[Any]] = {happened, self._lost}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            happened.cancel()

    async def _request(
        self, method: str, params: Mapping[str, Any], patience: float = 0.0
    ) -> dict[str, Any]:
        try:
            async with asyncio.timeout(patience or self._timing.request):
                while self._control is None:
                    self._check_there()
                    await self._control_there.wait()
                return await self._control.request(method, params)
        except (TimeoutError, ControlLost) as error:
            self._check_there()
            raise OrkeeError(
                "link_failed",
                f"The daemon in the sandbox did not answer the request {method!r}.",
                "Try again; if it stays so, stop the sandbox and create it anew.",
            ) from error
        except ValueError as error:
            raise OrkeeError(
                "invalid_request",
                "The command and its environment are too long or not Unicode.",
                "Send at most 256 KB.",
            ) from error

    async def exec(self, request: ExecRequest) -> ExecStream:
        """Run a command.

        Raises ``command_not_found``, ``command_not_executable``, ``invalid_directory``,
        ``invalid_request``, ``link_failed``, ``sandbox_lost``.
        """
        kind = AttachStream if request.detach else ExecStream
        stream = kind(await self._take(), request)
        await stream.start(self._timing.take)
        return stream

    async def terminal(self, request: TerminalRequest) -> TerminalStream:
        """Open a terminal, or attach to one. Raises ``terminal_*``, ``too_many_terminals``."""
        stream = TerminalStream(await self._take(), request)
        await stream.start(self._timing.take)
        return stream

    async def attach(self, pid: int) -> AttachStream:
        """Return a detached command's output. Raises ``process_not_found``."""
        stream = AttachStream(await self._take(), None, pid)
        await stream.start(self._timing.take)
        return stream

    async def processes(self) -> Sequence[Process]:
        """Return the commands that run, and those that ran detached and ended last."""
        result = await self._request("processes", {})
        try:
            return decode_processes(result)
        except ProtocolError as error:
            self._lose(f"the daemon broke the protocol: {error}")
            raise self._lost_error() from error

    async def kill(self, pid: int, signal: str) -> None:
        """Signal a command's process group. Raises ``process_not_found``."""
        try:
            await self._request("kill", {"pid": pid, "signal": check_signal(signal)})
        except Refused as refused:
            raise kill_error(refused, pid) from refused

    async def files(self, request: FileRequest) -> FileStream:
        """Begin an operation on files.

        Raises ``file_*``, ``invalid_path`` and the like, ``link_failed``, ``sandbox_lost``.
        """
        stream = FileStream(await self._take(), request)
        await stream.start(self._timing.take)
        return stream

    async def dial(self, port: int) -> PortStream:
        """Connect to a port inside the sandbox. Raises ``link_failed`` if nothing listens."""
        stream = PortStream(await self._take(), port)
        await stream.start(self._timing.take)
        return stream

    async def dial_raw(self, port: int) -> RawPort:
        """Connect to a port, to take the socket over. Only on the direct link."""
        stream = RawPort(await self._take(), port)
        await stream.start(self._timing.take)
        return stream

    async def limit(self, limits: Limits) -> None:
        """Hold the container's programs to limits from inside. To be called once, before start."""
        try:
            await self._request("limit", limit_params(limits))
        except Refused as refused:
            raise limit_error(refused.code, refused.message) from refused

    def broken(self) -> Awaitable[str]:
        """Wait for such a limit to be broken; gives "memory" or "pids"."""
        return asyncio.shield(self._breach)

    async def stats(self) -> Usage:
        """Return what the container's programs use."""
        result = await self._request("stats", {})
        try:
            return decode_usage(result)
        except ProtocolError as error:
            self._lose(f"the daemon broke the protocol: {error}")
            raise self._lost_error() from error

    def on_usage(self, told: Callable[[Usage], object]) -> None:
        """Have ``told`` called with the usage that the daemon tells now and then."""
        self._told = told

    async def signal(self, name: str) -> None:
        """Signal the main command's process group. Does nothing if there is none."""
        try:
            await self._request("signal", {"signal": check_signal(name)})
        except Refused as refused:
            if refused.code != "not_started":
                raise start_error(refused.code, refused.message) from refused

    async def stop(self, grace: float) -> None:
        """Ask for an orderly end: TERM, ``grace`` seconds, KILL.

        Returns when the daemon has gone, at most a second after the grace; a daemon
        that is gone or does not answer is no error.
        """
        if self._lost.done():
            return
        self._stopping = True
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace + 1
        try:
            async with asyncio.timeout_at(deadline):
                # Answered when all commands have ended, so it takes the grace.
                await self._request("stop", {"grace_ms": round(grace * 1000)}, grace + 1)
                await asyncio.shield(self._lost)
        except (TimeoutError, OrkeeError, Refused) as error:
            logger.debug("sandbox %s: no orderly end: %r", self._sandbox_id, error)

    def main_exit(self) -> Awaitable[Exit]:
        """Wait for the end of the main command. Cancelling the wait changes nothing.

        Never comes if the daemon is lost first: wait for :meth:`lost` as well.
        """
        return asyncio.shield(self._exit)

    def lost(self) -> Awaitable[str]:
        """Wait for the loss of the daemon; gives the reason, also of an orderly end."""
        return asyncio.shield(self._lost)

    async def wait_connected(self, timeout: float) -> None:
        """Wait for the first control connection. Raises ``link_failed``, ``sandbox_lost``."""
        try:
            async with asyncio.timeout(timeout):
                await self._unless_lost(self.connected)
        except TimeoutError as error:
            raise OrkeeError(
                "link_failed",
                f"The daemon in the container did not connect within {timeout:g} s.",
                "Try again; `orkee engine status` says whether the engine is well.",
            ) from error
        self._check_there()

    async def close(self) -> None:
        """End every stream and connection, and wait until they are gone. May be called twice."""
        self._lose("the sandbox was stopped")
        await self._empty.wait()
        if self._tasks:
            # The pump writes what it has; more than this no disk should take.
            _done, late = await asyncio.wait(set(self._tasks), timeout=5)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._spool.finish()
