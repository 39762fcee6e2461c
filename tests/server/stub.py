"""A manager for the tests of the HTTP layer: remembers calls, fails or waits when told."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any

from orkee_jupyter.sandbox.conditions import Condition
from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.files import FileRequest
from orkee_jupyter.sandbox.history import Event
from orkee_jupyter.sandbox.model import (
    CreateRequest,
    ExecRequest,
    Exit,
    FileEntry,
    ListQuery,
    LogEntry,
    LogQuery,
    Output,
    Page,
    Process,
    Sandbox,
    Status,
    Template,
    TerminalRequest,
)
from orkee_jupyter.sandbox.ports import CacheUse, Filling, Progress
from orkee_jupyter.sandbox.records import Answer
from orkee_jupyter.sandbox.settings import Settings
from orkee_jupyter.sandbox.usage import Stats

ID = "0123456789abcdef0123456789abcdef"
STATS = Stats(1.5, 50.0, 2.5, 0.0, 1024, 2048, 1, 2, 10, 20, None, False)


def make(**changes: Any) -> Sandbox:
    base = Sandbox(
        id=ID,
        user_id="local",
        status=Status.ACTIVE,
        template="node",
        image="node:18-alpine",
        created_at=1,
        last_active_at=1,
        expires_at=3601,
    )
    return base.with_(**changes)


class StubExec:
    """A command whose output the test holds."""

    pid = 7
    name, reattached, position, replay = "1", False, 0, 0  # of a terminal

    def __init__(self, outputs: list[Output], error: OrkeeError | None = None) -> None:
        self.outputs, self.error = outputs, error
        self.stdin = b""
        self.stdin_ended = False
        self.signals: list[str] = []
        self.hangs = False
        self.closed = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[Output]:
        await asyncio.sleep(0)  # as any stream does: others get a turn
        for output in self.outputs:
            yield output
        if self.hangs:
            await asyncio.Event().wait()

    async def write(self, data: bytes) -> None:
        self.stdin += data

    async def end_stdin(self) -> None:
        self.stdin_ended = True

    async def signal(self, name: str) -> None:
        self.signals.append(name)

    async def resize(self, rows: int, columns: int) -> None:
        self.signals.append(f"{rows}x{columns}")

    async def exit(self) -> Exit:
        if self.error is not None:
            raise self.error
        return Exit(3, None, False, 0.25)

    async def close(self) -> None:
        self.closed.set()


class StubTemplates:
    problems: tuple[OrkeeError, ...] = ()

    def all(self) -> list[Template]:
        return [Template("node", "node:18-alpine", env={"SECRET": "x"}, command=("node",))]


class StubManager:
    """Knows one sandbox, ``ID`` named "web", of the owner "local"."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.sandbox = make(name="web")
        self.entries: list[LogEntry] = []
        self.follow_hangs = False
        self.logs_closed = asyncio.Event()
        self.exec_stream = StubExec([Output("stdout", b"hi\n")])
        self.file_stream = StubFiles()
        self.create_hangs = False
        self.creating = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.progress: list[str] = ["pulling node:18-alpine"]
        self.templates = StubTemplates()
        self.settings = Settings()
        self.pulse: object = None
        self.closed = 0
        self.filled = b""
        self.installing = asyncio.Event()  # once it may come to its end
        self.serving = 0  # the port of this host that stands for every port of the sandbox

    def _called(self, *call: Any) -> None:
        self.calls.append(call)
        if self.error is not None:
            raise self.error

    def last_stats(self, sandbox_id: str) -> Stats | None:
        return STATS

    async def stats(self, ref: str, owner: str) -> Stats:
        self._called("stats", ref, owner)
        if self.sandbox.status is not Status.ACTIVE:
            raise OrkeeError("sandbox_not_active", "The sandbox has ended.")
        return STATS

    def step(self, sandbox_id: str) -> str | None:
        return None

    async def create(
        self,
        request: CreateRequest,
        owner: str,
        progress: Progress,
        filling: Filling | None = None,
    ) -> Sandbox:
        if filling is not None:
            self.filled = b"".join([piece async for piece in filling()])
        self.calls.append(("create", request, owner))
        for sentence in self.progress:
            progress(sentence)
        self.creating.set()
        try:
            if self.create_hangs:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if self.error is not None:
            raise self.error
        return self.sandbox

    async def get(self, ref: str, owner: str) -> Sandbox:
        self._called("get", ref, owner)
        if ref not in (ID, "web", ID[:4]) or owner != self.sandbox.user_id:
            raise OrkeeError("sandbox_not_found", f"There is no sandbox {ref}.", "List them.")
        return self.sandbox

    async def list(self, query: ListQuery, owner: str) -> Page:
        self._called("list", query, owner)
        return Page((self.sandbox,), "more")

    async def stop(self, ref: str, owner: str) -> Sandbox:
        self._called("stop", ref, owner)
        return self.sandbox.with_(status=Status.TERMINATED)

    async def query(self, query: str, rows: int, owner: str) -> Answer:
        self._called("query", query, rows, owner)
        columns = [{"name": "n", "type": "INTEGER"}]
        body = {"columns": columns, "rows": [[1]], "cut": False}
        return Answer(json.dumps(body).encode(), ("Of logs the newest were looked at.",))

    async def stop_later(self, ref: str, seconds: float, owner: str) -> Sandbox:
        self._called("stop_later", ref, seconds, owner)
        return self.sandbox.with_(stop_at=12.5)

    async def keep(self, ref: str, owner: str) -> Sandbox:
        self._called("keep", ref, owner)
        return self.sandbox

    async def pause(self, ref: str, owner: str, *, freeze: bool = False) -> Sandbox:
        self._called("pause", ref, owner, *(["freeze"] if freeze else []))
        return self.sandbox.with_(status=Status.PAUSED)

    async def resume(
        self,
        ref: str,
        owner: str,
        progress: Progress = lambda _: None,
        *,
        wait: bool = True,
        secrets: Mapping[str, str] | None = None,
    ) -> Sandbox:
        self._called("resume", ref, owner, wait, *([dict(secrets)] if secrets else []))
        progress("starting the container")
        return self.sandbox

    async def extend(self, ref: str, seconds: int, owner: str) -> Sandbox:
        self._called("extend", ref, seconds, owner)
        return self.sandbox

    async def engine_cache(self) -> CacheUse:
        self._called("engine_cache")
        return CacheUse(5, 2)

    async def clean_engine_cache(self) -> int:
        self._called("clean_engine_cache")
        return 3

    async def install_engine(self, progress: Progress) -> bool:
        self.calls.append(("install_engine",))
        progress("building the engine")
        await self.installing.wait()
        if self.error is not None:
            raise self.error
        return True

    async def clean(self, owner: str) -> list[Sandbox]:
        self._called("clean", owner)
        return [self.sandbox]

    async def exec(self, ref: str, request: ExecRequest, owner: str) -> StubExec:
        self._called("exec", ref, request, owner)
        return self.exec_stream

    async def files(self, ref: str, request: FileRequest, owner: str) -> StubFiles:
        self._called("files", ref, request, owner)
        return self.file_stream

    async def start(self, ref: str, owner: str) -> Sandbox:
        self._called("start", ref, owner)
        return self.sandbox

    async def terminal(self, ref: str, request: TerminalRequest, owner: str) -> StubExec:
        self._called("terminal", ref, request, owner)
        return self.exec_stream

    async def usable(self, ref: str, owner: str) -> Sandbox:
        self._called("usable", ref, owner)
        return self.sandbox

    async def attach(self, ref: str, pid: int, owner: str) -> StubExec:
        self._called("attach", ref, pid, owner)
        return self.exec_stream

    async def processes(self, ref: str, owner: str) -> list[Process]:
        self._called("processes", ref, owner)
        return [
            Process(7, ("sleep", "9"), "detached", 1.5),
            Process(8, ("false",), "detached", 1.0, Exit(1)),
        ]

    async def kill(self, ref: str, pid: int, signal: str, owner: str) -> None:
        self._called("kill", ref, pid, signal, owner)

    async def logs(self, ref: str, query: LogQuery, owner: str) -> AsyncIterator[LogEntry]:
        self._called("logs", ref, query, owner)
        return self._entries()

    async def _entries(self) -> AsyncIterator[LogEntry]:
        try:
            for entry in self.entries:
                yield entry
            if self.follow_hangs:
                await asyncio.Event().wait()
        finally:
            self.logs_closed.set()

    async def connect(self, ref: str, port: int, owner: str) -> socket.socket:
        self._called("connect", ref, port, owner)
        sandbox = await self.get(ref, owner)
        if sandbox.status is not Status.ACTIVE:
            raise OrkeeError("sandbox_not_active", "The sandbox is terminated.", "Create one.")
        ours = socket.create_connection(("127.0.0.1", self.serving))
        ours.setblocking(False)
        return ours

    async def wait(self, ref: str, condition: Condition, seconds: float, owner: str) -> Sandbox:
        self._called("wait", ref, condition, seconds, owner)
        return self.sandbox

    async def engine_status(self) -> Mapping[str, Any]:
        self._called("engine_status")
        return {"kind": "none"}

    async def engine_pulse(self) -> object:
        return self.pulse

    def current(self, row: Sandbox) -> Sandbox:
        return row

    def active_ids(self, owner: str) -> list[str]:
        mine = self.sandbox.user_id == owner and self.sandbox.status is Status.ACTIVE
        return [self.sandbox.id] if mine else []

    async def events(self, ref: str, owner: str) -> list[Event]:
        self._called("events", ref, owner)
        return [Event(1.5, "active", "It is active.")]

    async def shutdown(self) -> None:
        self.closed += 1


class StubFiles:
    """An operation on files: gives what the test says, keeps what it is given."""

    def __init__(self, *pieces: bytes, entry: FileEntry | None = None) -> None:
        self.entry = entry
        self.pieces = list(pieces)
        self.written = bytearray()
        self.ended = False
        self.hangs = False
        self.error: OrkeeError | None = None  # of the next write, or behind the last piece
        self.received = asyncio.Event()
        self.closed = asyncio.Event()

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        if self.pieces:
            return self.pieces.pop(0)
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return b""

    async def write(self, data: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.written += data
        self.received.set()

    async def end_write(self) -> None:
        self.ended = True

    async def close(self) -> None:
        self.closed.set()
