"""The daemon of one sandbox as the server sees it: what it is asked, and what it tells."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

from ..sandbox.errors import OrkeeError
from ..sandbox.files import FileRequest
from ..sandbox.model import ExecRequest, Exit, Limits, Process, TerminalRequest
from ..sandbox.usage import Usage
from .connection import Connection
from .connections import Connections, Timing
from .control import Refused
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


class Daemon:
    """The sandboxd of one running sandbox; see :class:`orkee_jupyter.sandbox.ports.Daemon`."""

    def __init__(self, sandbox_id: str, spool: LogSpool, timing: Timing) -> None:
        loop = asyncio.get_running_loop()
        self._sandbox_id = sandbox_id
        self._spool = spool
        self._timing = timing
        self._connections = Connections(sandbox_id, timing, self._take_notice, self._connected)
        self._exit: asyncio.Future[Exit] = loop.create_future()
        self._exit_told = False
        self._breach: asyncio.Future[str] = loop.create_future()
        self._told: Callable[[Usage], object] = lambda _: None
        self._tasks: set[asyncio.Task[None]] = set()
        self._pump = LogPump(spool, self._connections.take, timing.take)
        #: The ports that programs in the sandbox listen on.
        self.listening = Listening()

    @property
    def connected(self) -> asyncio.Event:
        """Set at the first control connection."""
        return self._connections.connected

    def adopt(self, connection: Connection, kind: str) -> None:
        """Take over a connection whose HELLO was right."""
        self._connections.adopt(connection, kind)

    def _connected(self) -> None:
        self._spawn(self._connections.heartbeat())
        self._spawn(self._run_pump())

    # -- tasks ---------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("sandbox %s: a task failed", self._sandbox_id, exc_info=error)
            self._connections.lose("the server could not handle its daemon")

    async def _run_pump(self) -> None:
        try:
            await self._pump.run()
        except OrkeeError as error:
            if not self._connections.lost.done():
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
        last_seq = number(body, "last_seq", 0, 2**63 - 1)
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
        self,
        command: Sequence[str] | None,
        env: Mapping[str, str],
        cwd: str,
        secrets: Mapping[str, str] | None = None,
    ) -> int | None:
        """Start the main command, once; return its pid.

        ``secrets`` are variables too, of this command and of those that come, which their
        outputs do not show.

        Raises ``command_not_found``, ``command_not_executable``, ``invalid_directory``,
        ``link_failed``, ``sandbox_lost``.
        """
        await self._wait_for_log()
        params: dict[str, Any] = {
            "command": list(command) if command else None,
            "env": dict(env),
            "cwd": cwd,
        }
        if secrets:
            params["secrets"] = dict(secrets)
        try:
            result = await self._connections.request("start", params)
        except Refused as refused:
            name = command[0] if command else ""
            raise start_error(refused.code, refused.message, name, cwd) from refused
        pid = result.get("pid")
        return pid if isinstance(pid, int) else None

    async def _wait_for_log(self) -> None:
        try:
            async with asyncio.timeout(self._timing.take):
                await self._connections.unless_lost(self._pump.attached)
        except TimeoutError:
            logger.warning("sandbox %s: the log is not attached yet", self._sandbox_id)
        self._connections.check_there()

    async def exec(self, request: ExecRequest) -> ExecStream:
        """Run a command.

        Raises ``command_not_found``, ``command_not_executable``, ``invalid_directory``,
        ``invalid_request``, ``link_failed``, ``sandbox_lost``.
        """
        kind = AttachStream if request.detach else ExecStream
        stream = kind(await self._connections.take(), request)
        await stream.start(self._timing.take)
        return stream

    async def terminal(self, request: TerminalRequest) -> TerminalStream:
        """Open a terminal, or attach to one. Raises ``terminal_*``, ``too_many_terminals``."""
        stream = TerminalStream(await self._connections.take(), request)
        await stream.start(self._timing.take)
        return stream

    async def attach(self, pid: int) -> AttachStream:
        """Return a detached command's output. Raises ``process_not_found``."""
        stream = AttachStream(await self._connections.take(), None, pid)
        await stream.start(self._timing.take)
        return stream

    async def processes(self) -> Sequence[Process]:
        """Return the commands that run, and those that ran detached and ended last."""
        result = await self._ask("processes")
        try:
            return decode_processes(result)
        except ProtocolError as error:
            self._connections.lose(f"the daemon broke the protocol: {error}")
            raise self._connections.lost_error() from error

    async def _ask(self, method: str) -> dict[str, Any]:
        try:
            return await self._connections.request(method, {})
        except Refused as refused:  # ours never refuses these
            raise start_error(refused.code, refused.message) from refused

    async def kill(self, pid: int, signal: str) -> None:
        """Signal a command's process group. Raises ``process_not_found``."""
        try:
            await self._connections.request("kill", {"pid": pid, "signal": check_signal(signal)})
        except Refused as refused:
            raise kill_error(refused, pid) from refused

    async def files(self, request: FileRequest) -> FileStream:
        """Begin an operation on files.

        Raises ``file_*``, ``invalid_path`` and the like, ``link_failed``, ``sandbox_lost``.
        """
        stream = FileStream(await self._connections.take(), request)
        await stream.start(self._timing.take)
        return stream

    async def dial(self, port: int) -> PortStream:
        """Connect to a port inside the sandbox. Raises ``link_failed`` if nothing listens."""
        stream = PortStream(await self._connections.take(), port)
        await stream.start(self._timing.take)
        return stream

    async def dial_raw(self, port: int) -> RawPort:
        """Connect to a port, to take the socket over. Only on the direct link."""
        stream = RawPort(await self._connections.take(), port)
        await stream.start(self._timing.take)
        return stream

    async def limit(self, limits: Limits) -> None:
        """Hold the container's programs to limits from inside. To be called once, before start."""
        try:
            await self._connections.request("limit", limit_params(limits))
        except Refused as refused:
            raise limit_error(refused.code, refused.message) from refused

    def broken(self) -> Awaitable[str]:
        """Wait for such a limit to be broken; gives "memory" or "pids"."""
        return asyncio.shield(self._breach)

    async def stats(self) -> Usage:
        """Return what the container's programs use."""
        result = await self._ask("stats")
        try:
            return decode_usage(result)
        except ProtocolError as error:
            self._connections.lose(f"the daemon broke the protocol: {error}")
            raise self._connections.lost_error() from error

    def on_usage(self, told: Callable[[Usage], object]) -> None:
        """Have ``told`` called with the usage that the daemon tells now and then."""
        self._told = told

    async def signal(self, name: str) -> None:
        """Signal the main command's process group. Does nothing if there is none."""
        try:
            await self._connections.request("signal", {"signal": check_signal(name)})
        except Refused as refused:
            if refused.code != "not_started":
                raise start_error(refused.code, refused.message) from refused

    async def stop(self, grace: float) -> None:
        """Ask for an orderly end: TERM, ``grace`` seconds, KILL.

        Returns when the daemon has gone, at most a second after the grace; a daemon
        that is gone or does not answer is no error.
        """
        if self._connections.lost.done():
            return
        self._connections.expect_end()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace + 1
        try:
            async with asyncio.timeout_at(deadline):
                # Answered when all commands have ended, so it takes the grace.
                await self._connections.request(
                    "stop", {"grace_ms": round(grace * 1000)}, grace + 1
                )
                await asyncio.shield(self._connections.lost)
        except (TimeoutError, OrkeeError, Refused) as error:
            logger.debug("sandbox %s: no orderly end: %r", self._sandbox_id, error)

    def main_exit(self) -> Awaitable[Exit]:
        """Wait for the end of the main command. Cancelling the wait changes nothing.

        Never comes if the daemon is lost first: wait for :meth:`lost` as well.
        """
        return asyncio.shield(self._exit)

    def lost(self) -> Awaitable[str]:
        """Wait for the loss of the daemon; gives the reason, also of an orderly end."""
        return asyncio.shield(self._connections.lost)

    async def wait_connected(self, timeout: float) -> None:
        """Wait for the first control connection. Raises ``link_failed``, ``sandbox_lost``."""
        try:
            async with asyncio.timeout(timeout):
                await self._connections.unless_lost(self.connected)
        except TimeoutError as error:
            raise OrkeeError(
                "link_failed",
                f"The daemon in the container did not connect within {timeout:g} s.",
                "Try again; `orkee engine status` says whether the engine is well.",
            ) from error
        self._connections.check_there()

    async def close(self) -> None:
        """End every stream and connection, and wait until they are gone. May be called twice."""
        self._connections.lose("the sandbox was stopped")
        await self._connections.empty.wait()
        if self._tasks:
            # The pump writes what it has; more than this no disk should take.
            _done, late = await asyncio.wait(set(self._tasks), timeout=5)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._spool.finish()
