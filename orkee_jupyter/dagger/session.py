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
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagger
from dagger.client._config import ConnectConfig, Retry, Timeout
from dagger.client._session import ConnectParams, SingleConnection

from ..sandbox.errors import OrkeeError

CONNECT_TIMEOUT = 60.0  # seconds: an engine in Docker may have to be started first
#: Of the environment, what must not reach the session or the SDK: they override
#: our choice of engine, or make the SDK's telemetry fail.
_SCRUBBED = ("OTEL_", "DAGGER_SESSION_", "_EXPERIMENTAL_DAGGER_", "TRACEPARENT", "TRACESTATE")


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What a session is started with; ``runner_host`` None leaves the choice to Dagger."""

    cli: Path
    runner_host: str | None
    log: Path


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

    def __init__(
        self, process: subprocess.Popen[bytes], client: dagger.Client, connection: SingleConnection
    ) -> None:
        self.client = client
        self._process = process
        self._connection = connection

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @classmethod
    async def start(cls, config: SessionConfig, on_end: Callable[[Session], None]) -> Session:
        """Start a session and connect to it. ``on_end`` is called once when its process ends.

        Raises OrkeeError ``no_engine`` with the last lines of its log.
        """
        loop = asyncio.get_running_loop()
        process = await loop.run_in_executor(None, _spawn, config)
        try:
            params = await asyncio.wait_for(
                loop.run_in_executor(None, _read_params, process), CONNECT_TIMEOUT
            )
            connection = SingleConnection(
                params,
                # Only the connect is retried: a start that was sent twice is two containers.
                ConnectConfig(
                    timeout=Timeout(None, connect=10.0), retry=Retry(connect=True, execute=False)
                ),
            )
            await asyncio.wait_for(connection.connect(), CONNECT_TIMEOUT)
        except (Exception, asyncio.CancelledError) as error:
            _end(process)
            if isinstance(error, asyncio.CancelledError):
                raise
            raise OrkeeError(
                "no_engine",
                f"No Dagger session could be started: {_last_lines(config.log) or error}.",
                "See `orkee engine status`.",
            ) from error
        session = cls(process, dagger.Client.from_connection(connection), connection)
        session._watch(on_end)
        return session

    def _watch(self, on_end: Callable[[Session], None]) -> None:
        """Wait for the process in a thread: exact, and a daemon so that no exit waits for it."""
        loop = asyncio.get_running_loop()

        def wait() -> None:
            self._process.wait()
            with contextlib.suppress(RuntimeError):  # the loop has gone first
                loop.call_soon_threadsafe(on_end, self)

        threading.Thread(target=wait, name="orkee-session-watch", daemon=True).start()

    async def close(self) -> None:
        """End the session and with it every service; returns when its process has gone."""
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._connection.close(), 2.0)
        await asyncio.get_running_loop().run_in_executor(None, _end, self._process)

    def kill(self) -> None:
        """End the session's process at once, without waiting."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()


def _spawn(config: SessionConfig) -> subprocess.Popen[bytes]:
    config.log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with config.log.open("wb") as log:
            return subprocess.Popen(
                [config.cli, "--progress=plain", "--silent", "session"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=session_environment(os.environ, config.runner_host),
                cwd="/",
                start_new_session=True,
            )
    except OSError as error:
        raise OrkeeError(
            "no_engine",
            f"The Dagger command {config.cli} cannot be run: {error.strerror}.",
            "Run `orkee engine install`.",
        ) from error


def _read_params(process: subprocess.Popen[bytes]) -> ConnectParams:
    assert process.stdout is not None
    line = process.stdout.readline(65536)
    if not line:
        raise ConnectionError("the session ended before it was ready")
    answer: dict[str, Any] = json.loads(line)
    return ConnectParams(port=answer["port"], session_token=answer["session_token"])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close stdin (an orderly end), then kill; never leaves a zombie."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(3.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


def _last_lines(log: Path, lines: int = 3) -> str:
    try:
        text = log.read_bytes()[-4096:].decode(errors="replace")
    except OSError:
        return ""
    return " / ".join(line.strip() for line in text.splitlines()[-lines:] if line.strip())
