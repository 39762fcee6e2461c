"""A hub whose daemons and containers are objects of the test's own process."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from orkee_jupyter.sandbox.clock import within
from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.files import FileRequest
from orkee_jupyter.sandbox.model import (
    ExecRequest,
    Exit,
    Limits,
    LogEntry,
    LogQuery,
    Output,
    TerminalRequest,
)
from orkee_jupyter.sandbox.model import Process as ListedProcess
from orkee_jupyter.sandbox.ports import Clock, Endpoint
from orkee_jupyter.sandbox.usage import Usage

from .files import FakeFileStream
from .points import Points
from .ports import FakePortMap, HostPorts
from .program import Process, check_program


def _lost(reason: str) -> OrkeeError:
    return OrkeeError("sandbox_lost", f"The sandbox ended: {reason}.", "Create a new one.")


class Place:
    """Where one daemon dials in, and the log that it leaves."""

    def __init__(self, clock: Clock, host: HostPorts) -> None:
        self.clock = clock
        self.token = secrets.token_hex(8)
        self.daemon: asyncio.Future[FakeDaemon] = asyncio.get_running_loop().create_future()
        self.log: list[LogEntry] = []
        self.ended = False  # no more log comes
        self.closed = False
        self.changed = asyncio.Event()
        self.ports = FakePortMap(host)

    def emit(self, stream: str, data: bytes) -> None:
        self.log.append(LogEntry(len(self.log) + 1, self.clock.now(), stream, data))
        self.wake()

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class FakeExec:
    """A command that runs in a fake container."""

    def __init__(self, pid: int, request: ExecRequest, clock: Clock) -> None:
        self.pid = pid
        self.command = request.command
        self.kind = "detached" if request.detach else "exec"
        self.ended: Exit | None = None
        self.closed = False
        self._output: asyncio.Queue[Output | None] = asyncio.Queue()
        self._process = Process(
            request.command, lambda stream, data: self._output.put_nowait(Output(stream, data))
        )
        if not request.stdin:
            self._process.stdin.put_nowait(None)
        self._lost: str | None = None
        self._limit: str | None = None
        self._ending = asyncio.get_running_loop().create_task(self._end(request, clock))

    async def _end(self, request: ExecRequest, clock: Clock) -> Exit:
        timed_out = False
        if request.timeout:
            try:
                await within(clock, request.timeout, asyncio.shield(self._process.task))
            except TimeoutError:
                timed_out = True
                self._process.kill("TERM")
        ended = await self._process.task
        self._output.put_nowait(None)
        self.ended = Exit(ended.exit_code, ended.signal, timed_out, 0.0, self._limit)
        return self.ended

    def __aiter__(self) -> AsyncIterator[Output]:
        return self._outputs()

    async def _outputs(self) -> AsyncIterator[Output]:
        while (output := await self._output.get()) is not None:
            yield output
        if self._lost is not None:
            raise _lost(self._lost)

    async def write(self, data: bytes) -> None:
        self._process.stdin.put_nowait(data)

    async def end_stdin(self) -> None:
        self._process.stdin.put_nowait(None)

    async def signal(self, name: str) -> None:
        self._process.kill(name)

    async def exit(self) -> Exit:
        ended = await asyncio.shield(self._ending)
        if self._lost is not None:
            raise _lost(self._lost)
        return ended

    async def close(self) -> None:
        self.closed = True
        if self.kind == "detached":
            return
        self._process.kill("KILL")
        await asyncio.wait({self._ending})

    def break_limit(self, kind: str) -> None:
        self._limit = kind
        self._process.kill("KILL")

    def lose(self, reason: str) -> None:
        if not self._ending.done():
            self._lost = reason
        self._process.kill("KILL")


class FakeTerminal(FakeExec):
    """A terminal, for which a command's streams stand."""

    name, reattached, position, replay = "1", False, 0, 0

    async def resize(self, rows: int, columns: int) -> None:
        self._output.put_nowait(Output("stdout", f"{rows}x{columns}".encode()))


class FakeDaemon:
    """A ``Daemon``: runs the programs of :mod:`tests.fakes.program`."""

    def __init__(self, place: Place, points: Points) -> None:
        loop = asyncio.get_running_loop()
        self._place = place
        self._points = points
        self._exit: asyncio.Future[Exit] = loop.create_future()
        self._lost: asyncio.Future[str] = loop.create_future()
        self._process: Process | None = None
        self._following: asyncio.Task[None] | None = None
        self.limits: Limits | None = None
        self.usage = Usage(10.0, 5.0, 0.0, 2**20, 2**21, 2, 3, 100, 200, 4096, True)
        self.told: Callable[[Usage], object] = lambda _: None
        self._broken: asyncio.Future[str] = loop.create_future()
        self.started: tuple[Sequence[str] | None, Mapping[str, str], str] | None = None
        self.execs: list[FakeExec] = []
        self.news_after = 0.0  # seconds from the main command's end until it is told
        self.contents: dict[str, bytes] = {}
        self.file_streams: list[FakeFileStream] = []

    async def start(
        self,
        command: Sequence[str] | None,
        env: Mapping[str, str],
        cwd: str,
        secrets: Mapping[str, str] | None = None,
    ) -> int | None:
        self.secrets = secrets or {}
        await self._points.enter("daemon.start")
        if cwd == "/missing":
            raise OrkeeError("invalid_directory", f"There is no folder {cwd}.")
        self.started = (command, env, cwd)
        if command is None:
            return None
        self._process = Process(command, self._place.emit)
        self._following = asyncio.get_running_loop().create_task(self._follow(self._process))
        return 7

    async def _follow(self, process: Process) -> None:
        ended = await process.task
        if self.news_after:
            await self._place.clock.sleep(self.news_after)
        self._place.ended = True
        self._place.wake()
        if not self._exit.done():
            self._exit.set_result(ended)

    async def exec(self, request: ExecRequest) -> FakeExec:
        await self._points.enter("daemon.exec")
        if self._lost.done():
            raise _lost(self._lost.result())
        check_program(request.command)
        stream = FakeExec(10 + len(self.execs), request, self._place.clock)
        self.execs.append(stream)
        return stream

    async def files(self, request: FileRequest) -> FakeFileStream:
        await self._points.enter("daemon.files")
        if self._lost.done():
            raise _lost(self._lost.result())
        self.file_streams.append(FakeFileStream(self.contents, request))
        return self.file_streams[-1]

    async def terminal(self, request: TerminalRequest) -> FakeTerminal:
        command = ExecRequest(request.command or ("cat",), stdin=True)
        stream = FakeTerminal(10 + len(self.execs), command, self._place.clock)
        self.execs.append(stream)
        return stream

    async def attach(self, pid: int) -> FakeExec:
        return self._named(pid)

    async def processes(self) -> list[ListedProcess]:
        found = [
            ListedProcess(each.pid, each.command, each.kind, 0.0, each.ended) for each in self.execs
        ]
        if self._process is not None and self.started and not self._process.task.done():
            found.append(ListedProcess(7, tuple(self.started[0] or ()), "main", 0.0, None))
        return found

    async def kill(self, pid: int, signal: str) -> None:
        await self._named(pid).signal(signal)

    def _named(self, pid: int) -> FakeExec:
        for stream in self.execs:
            if stream.pid == pid:
                return stream
        raise OrkeeError("process_not_found", f"There is no process {pid}.")

    async def limit(self, limits: Limits) -> None:
        await self._points.enter("daemon.limit")
        self.limits = limits

    async def broken(self) -> str:
        return await asyncio.shield(self._broken)

    def break_limit(self, kind: str) -> None:
        """Find a limit broken, and end everything for it."""
        self._broken.set_result(kind)
        for stream in self.execs:
            stream.break_limit(kind)

    async def stats(self) -> Usage:
        return self.usage

    def on_usage(self, told: Callable[[Usage], object]) -> None:
        self.told = told

    async def stop(self, grace: float) -> None:
        await self._points.enter("daemon.stop")
        if self._process is not None:
            self._process.kill("TERM")
        self.lose("stopped")

    async def main_exit(self) -> Exit:
        return await asyncio.shield(self._exit)

    async def lost(self) -> str:
        return await asyncio.shield(self._lost)

    def lose(self, reason: str) -> None:
        """Be gone, with everything that ran."""
        if not self._lost.done():
            self._lost.set_result(reason)
        for stream in self.execs:
            stream.lose(reason)
        for files in self.file_streams:
            files.lose(reason)
        if self._process is not None:
            self._process.kill("KILL")
        self._place.ended = True
        self._place.wake()


class FakeHub:
    """A ``DaemonHub`` in which the test, or the fake engine, dials with ``dial``."""

    def __init__(self, clock: Clock, points: Points | None = None) -> None:
        self._clock = clock
        self._points = points or Points()
        self._places: dict[str, Place] = {}
        self.host = HostPorts()
        self.swept: list[tuple[float, int, tuple[str, ...]]] = []

    @property
    def open_places(self) -> set[str]:
        """The sandboxes whose token and socket exist."""
        return {sandbox_id for sandbox_id, place in self._places.items() if not place.closed}

    async def dial(self, sandbox_id: str) -> FakeDaemon:
        """Connect the daemon of a sandbox."""
        place = self._places[sandbox_id]
        daemon = FakeDaemon(place, self._points)
        place.daemon.set_result(daemon)
        return daemon

    def daemon(self, sandbox_id: str) -> FakeDaemon:
        """Return the daemon that has dialled."""
        return self._places[sandbox_id].daemon.result()

    async def open(self, sandbox_id: str) -> Endpoint:
        await self._points.enter("hub.open")
        if sandbox_id in self.open_places:
            raise OrkeeError("internal", f"The hub cannot take the sandbox {sandbox_id}.")
        place = self._places[sandbox_id] = Place(self._clock, self.host)
        return Endpoint("forwarded", place.token, socket_path=f"/run/{sandbox_id[:8]}.sock")

    async def connected(self, sandbox_id: str, timeout: float) -> FakeDaemon:
        await self._points.enter("hub.connected")
        if sandbox_id not in self.open_places:
            raise _lost("it was stopped")
        waiting = asyncio.shield(self._places[sandbox_id].daemon)
        try:
            return await within(self._clock, timeout, waiting)
        except TimeoutError as error:
            raise OrkeeError(
                "link_failed", f"The daemon did not connect within {timeout:g} s."
            ) from error

    def ports(self, sandbox_id: str) -> FakePortMap:
        if sandbox_id not in self.open_places:
            raise _lost("it was stopped")
        return self._places[sandbox_id].ports

    async def sweep(self, max_age: float, most: int, live: Sequence[str]) -> None:
        self.swept.append((max_age, most, tuple(live)))

    async def logs(self, sandbox_id: str, query: LogQuery) -> AsyncIterator[LogEntry]:
        place = self._places.get(sandbox_id)
        if place is None:
            return
        entries = [
            entry
            for entry in place.log
            if entry.seq > query.after and entry.time >= (query.since or 0)
        ]
        if query.tail is not None:
            entries = entries[max(0, len(entries) - query.tail) :]
        seen = len(place.log)
        for entry in entries:
            yield entry
        while query.follow:
            for entry in place.log[seen:]:
                seen = entry.seq
                yield entry
            if place.ended or place.closed:
                return
            await place.changed.wait()

    async def close(self, sandbox_id: str) -> None:
        await self._points.enter("hub.close")
        place = self._places.get(sandbox_id)
        if place is None or place.closed:
            return
        place.closed = True
        place.ports.close()
        if place.daemon.done():
            place.daemon.result().lose("its place was closed")
        place.wake()

    async def forget(self, sandbox_id: str) -> None:
        await self.close(sandbox_id)
        self._places.pop(sandbox_id, None)

    async def shutdown(self) -> None:
        for sandbox_id in list(self._places):
            await self.close(sandbox_id)
