"""One ``dagger session`` process, started and watched by us.

The SDK would start it in our process group (the first Ctrl-C kills it) and
never drain its stderr (64 KiB and it hangs), so it is started here: a session
of its own, stdin held open (its end is the session's end, also when this
process is killed), stderr to a file, one line of JSON read from stdout.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagger
from dagger.client._config import ConnectConfig, Timeout
from dagger.client._session import ConnectParams, SingleConnection

from ..sandbox.errors import OrkeeError
from ..sandbox.heap import uncollected
from ..sandbox.model import show_bytes
from . import memory_cap

CONNECT_TIMEOUT = 60.0  # seconds: an engine in Docker may have to be started first
END_TIMEOUT = 3.0  # seconds for an orderly end, then it is killed
#: Of the environment, what must not reach the session or the SDK: they override
#: our choice of engine, or make the SDK's telemetry fail.
_SCRUBBED = ("OTEL_", "DAGGER_SESSION_", "_EXPERIMENTAL_DAGGER_", "TRACEPARENT", "TRACESTATE")
_LINE_LIMIT = 64 * 1024

#: The engine's schema, fetched and built once: there is one version of it in a process.
_schema: Any = None


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What a session is started with; ``runner_host`` None leaves the choice to Dagger.

    ``memory`` is the most that its process may have, in bytes; 0 for no cap.
    """

    cli: Path
    runner_host: str | None
    log: Path
    timeout: float = CONNECT_TIMEOUT
    memory: int = 0


def session_environment(environment: Mapping[str, str], runner_host: str | None) -> dict[str, str]:
    """Return the environment of the session process, without what would override it."""
    kept = {k: v for k, v in environment.items() if not k.startswith(_SCRUBBED)}
    kept["DO_NOT_TRACK"] = "1"
    kept["DAGGER_NO_NAG"] = "1"
    kept["PATH"] = f"{kept.get('PATH', '')}:/usr/sbin:/sbin".lstrip(":")
    if runner_host:
        kept["_EXPERIMENTAL_DAGGER_RUNNER_HOST"] = runner_host
    return kept


class Session:
    """A running session and the SDK's client on it. Made by :meth:`start` only."""

    client: dagger.Client

    def __init__(self, config: SessionConfig) -> None:
        self._config = config
        self._process = _spawn(config)
        self._loop = asyncio.get_running_loop()
        self._output = _Output(self._loop.create_future())
        self._pipe: asyncio.BaseTransport | None = None
        self._connection: SingleConnection | None = None
        self._gone = asyncio.Event()
        self._on_end: Callable[[Session], None] | None = None
        # A thread waits for the process: exact, and a daemon so that no exit waits for it.
        threading.Thread(target=self._reap, name="orkee-session-watch", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def reason(self) -> str:
        """Why the sandboxes of a session that has ended are gone."""
        reason, cap = "the engine's session ended", self._config.memory
        if cap and memory_cap.was_reached(self._config.log, self._process.poll()):
            return f"{reason}: it used more than {show_bytes(cap)} of memory"
        return reason

    @classmethod
    async def start(cls, config: SessionConfig, on_end: Callable[[Session], None]) -> Session:
        """Start a session and connect to it. ``on_end`` is called once when its process ends.

        Raises OrkeeError ``no_engine`` with the last lines of its log.
        """
        session = cls(config)
        try:
            async with asyncio.timeout(config.timeout):
                await session._connect()
        except BaseException as error:
            await asyncio.shield(asyncio.ensure_future(session.close()))
            if not isinstance(error, Exception):
                raise
            raise _not_started(config, error) from error
        session._on_end = on_end
        return session

    async def _connect(self) -> None:
        self._pipe, _ = await self._loop.connect_read_pipe(
            lambda: self._output, self._process.stdout
        )
        params = _params(await self._output.line)
        # Nothing is retried: a start that was sent twice is two containers.
        config = ConnectConfig(timeout=Timeout(None, connect=10.0), retry=None)
        self._connection = SingleConnection(params, config)
        await _open(self._connection)
        if self._gone.is_set():
            raise ConnectionError("it ended as soon as it was ready")
        self.client = dagger.Client.from_connection(self._connection)

    def _reap(self) -> None:
        self._process.wait()
        with contextlib.suppress(RuntimeError):  # the loop has gone first
            self._loop.call_soon_threadsafe(self._ended)

    def _ended(self) -> None:
        self._gone.set()
        self._output.fail()
        if self._on_end is not None:
            self._on_end(self)

    async def close(self) -> None:
        """End the session and with it every service; returns when its process has gone.

        May be called twice, and for a session whose process was killed or stopped.
        """
        if self._connection is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._connection.close(), 2.0)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            if not await self._gone_within(END_TIMEOUT):
                self.kill()
                await self._gone_within(END_TIMEOUT)
        finally:
            self.kill()  # also where this call is cancelled
            (self._pipe or self._process.stdout).close()
            self._output.forget()
        if self._pipe is not None:
            await self._output.closed.wait()

    async def _gone_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), seconds)
        return self._gone.is_set()

    def kill(self) -> None:
        """End the session's process and its children at once, without waiting."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


async def _open(connection: SingleConnection) -> None:
    """Open a connection, with the schema that an earlier one has fetched if there was one."""
    global _schema
    client: Any = connection.session.client
    client.schema = _schema
    # In pure Python, for each query: the engine checks it too, and says the same.
    client.validate = lambda _: None
    if _schema is not None:
        await connection.connect()
        return
    with uncollected():  # hundreds of thousands of objects
        await connection.connect()
    _schema = client.schema


class _Output(asyncio.Protocol):
    """The session's stdout: its first line is wanted, the rest is drained."""

    def __init__(self, line: asyncio.Future[bytes]) -> None:
        self.line = line
        self.closed = asyncio.Event()
        self._data = b""

    def data_received(self, data: bytes) -> None:
        if self.line.done():
            return
        self._data += data
        first, newline, _ = self._data.partition(b"\n")
        if newline or len(self._data) > _LINE_LIMIT:
            self.line.set_result(first)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed.set()
        self.fail()

    def fail(self) -> None:
        if not self.line.done():
            self.line.set_exception(ConnectionError("it ended before it was ready"))

    def forget(self) -> None:
        """Let nobody be told that nobody took the line."""
        if self.line.done() and not self.line.cancelled():
            self.line.exception()


def _spawn(config: SessionConfig) -> subprocess.Popen[bytes]:
    try:
        config.log.parent.mkdir(parents=True, exist_ok=True)
        with config.log.open("wb") as log:
            process = subprocess.Popen(
                [config.cli, "--progress=plain", "--silent", "session"],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=session_environment(os.environ, config.runner_host)
                | memory_cap.environment(config.memory),
                cwd="/",
                start_new_session=True,
            )
        memory_cap.keep(process.pid, config.memory)
    except OSError as error:
        raise OrkeeError(
            "no_engine",
            f"The Dagger command {config.cli} cannot be run: {error.strerror}.",
            "Run `orkee engine install`.",
        ) from error
    return process


def _params(line: bytes) -> ConnectParams:
    try:
        answer = json.loads(line)
        return ConnectParams(port=answer["port"], session_token=answer["session_token"])
    except (ValueError, KeyError, TypeError):
        # Without the line and the cause: there may be a token in them.
        raise ConnectionError("its first line does not say where it listens") from None


def _not_started(config: SessionConfig, error: Exception) -> OrkeeError:
    if isinstance(error, TimeoutError):
        reason = f"it was not ready in {config.timeout:g} s"
    else:
        reason = str(error) or type(error).__name__
    said = _last_lines(config.log)
    return OrkeeError(
        "no_engine",
        f"No Dagger session could be started: {said or reason}".rstrip(".") + ".",
        "See `orkee engine status`.",
        details={"reason": reason},
    )


def _last_lines(log: Path, lines: int = 3) -> str:
    try:
        text = log.read_bytes()[-4096:].decode(errors="replace")
    except OSError:
        return ""
    return " / ".join(line.strip() for line in text.splitlines()[-lines:] if line.strip())
