"""The native engine: started, watched and asked through its supervisor ``orkee-engine``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from .. import paths
from ..sandbox.errors import OrkeeError
from ..sandbox.model import Limits
from ..sandbox.ports import Progress
from ..sandbox.refusals import freeze_unsupported
from .fence import NativeFence
from .frozen import NativeFrozen
from .guard import NativeGuard
from .guard import kinds as guard_kinds
from .guard import params as guard_params
from .native_control import ControlSocket, close_files

log = logging.getLogger(__name__)

#: The files of the engine's ``bin`` folder.
PROGRAMS: Final = (
    "dagger",
    "dagger-engine",
    "dagger-init",
    "dnsname",
    "orkee-engine",
    "runc-shim",
)
START_TIMEOUT: Final = 60.0
STOP_TIMEOUT: Final = 20.0
ASK_TIMEOUT: Final = 10.0
PURGE_TIMEOUT: Final = 300.0
IDLE_TIMEOUT: Final = 600.0
#: How often a supervisor may be found that holds the lock and can't be reached: a few seconds.
_PATIENCE: Final = 20
_BUSY: Final = 75  # exit code of a supervisor that found another one (EX_TEMPFAIL)
_LOG_LINES: Final = 20
_SEARCH_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class NativeEngine:
    """The engine of this user and version; there is at most one, whoever started it.

    Its supervisor is a process of its own: it outlives this one, and ends by itself
    after ``idle_timeout`` seconds (0: never) without a :meth:`lease`.
    """

    def __init__(
        self,
        *,
        engine_dir: Path | None = None,
        registry_dir: Path | None = None,
        socket_dir: Path | None = None,
        idle_timeout: float = IDLE_TIMEOUT,
    ) -> None:
        self._dir = engine_dir or paths.engine_dir()
        self._registry = registry_dir or paths.data_dir() / "registry"
        self._default_sockets = socket_dir or paths.runtime_dir() / "engine"
        self._idle_timeout = idle_timeout

    @property
    def bin_dir(self) -> Path:
        """The folder with the engine's programs and the ``dagger`` command."""
        return self._dir / "bin"

    @property
    def cli(self) -> Path:
        """The ``dagger`` command of the engine's version."""
        return self.bin_dir / "dagger"

    @property
    def state_dir(self) -> Path:
        """The engine's state; its files belong to the ids lent to the user."""
        return self._dir / "state"

    @property
    def log_path(self) -> Path:
        """The log of the supervisor and of all that it runs."""
        return self._dir / "engine.log"

    @property
    def socket_dir(self) -> Path:
        """The folder of the sockets: the running engine's, else where they will be."""
        try:
            holder = json.loads(self._lock_path.read_text("utf-8"))
            path = Path(holder["socket_dir"])
            if (path / "control.sock").is_socket():
                return path
        except (OSError, ValueError, KeyError, TypeError):
            pass  # no engine has run yet, or one was killed while it wrote
        return self._default_sockets

    @property
    def _control(self) -> ControlSocket:
        return ControlSocket(self.socket_dir / "control.sock")

    @property
    def runner_host(self) -> str:
        """What ``_EXPERIMENTAL_DAGGER_RUNNER_HOST`` has to say."""
        return f"unix://{self.socket_dir / 'engine.sock'}"

    @property
    def _lock_path(self) -> Path:
        return self._dir / "state.lock"

    def missing(self) -> list[str]:
        """Return the programs that are not in :attr:`bin_dir`; it is filled by ``make setup``."""
        return [name for name in PROGRAMS if not os.access(self.bin_dir / name, os.X_OK)]

    def installed(self) -> bool:
        """Say whether the engine's programs are there (not whether it can run: :meth:`check`)."""
        return not self.missing()

    async def check(self) -> Mapping[str, Any]:
        """Return ``{"ok", "problems", "warnings", "packages"}``: whether it can run here.

        ``packages`` are Debian's names of what is missing. Raises OrkeeError ``no_engine``
        if the engine is not installed.
        """
        self._require_installed()
        try:
            _, output = await self._run("check", "--bin", str(self.bin_dir), timeout=ASK_TIMEOUT)
            report: Mapping[str, Any] = json.loads(output)
        except (TimeoutError, ValueError) as error:
            raise OrkeeError("no_engine", "The check of the native engine failed.") from error
        return report

    async def purge(self, *, images: bool = False) -> None:
        """Stop the engine and remove its state: layers, caches, workspaces.

        With ``images`` the images built on this machine as well. The files belong to ids lent
        to the user, so that the user can't simply remove them. Raises OrkeeError ``no_engine``
        if the engine is not installed, ``engine_timeout`` or ``engine_failed``.
        """
        self._require_installed()
        await self.stop()
        config = await asyncio.to_thread(self._write_config)
        arguments = ["purge", "--config", str(config), *(["--images"] if images else [])]
        try:
            code, output = await self._run(*arguments, timeout=PURGE_TIMEOUT)
        except TimeoutError as error:
            raise OrkeeError(
                "engine_timeout", "The engine's state was not removed in time."
            ) from error
        if code:
            reason = output.decode("utf-8", "replace").strip()
            raise OrkeeError("engine_failed", f"The engine's state was not removed: {reason}.")

    async def start(self, progress: Progress = lambda _: None) -> None:
        """Start the engine if it does not run, and wait until it is ready (60 s at most).

        Any number of callers, in any number of processes, end with one engine.
        Raises OrkeeError ``no_engine``; its details hold the log's last lines.
        """
        self._require_installed()
        deadline = time.monotonic() + START_TIMEOUT
        refused = 0  # times that a supervisor which nobody can reach held the lock
        while True:
            state = await self._settled(deadline)
            if state == "ready":
                return
            if state in ("stopping", "failed"):
                await self._gone(deadline)
            if refused == 0:
                progress("starting the Dagger engine")
            if await self._spawn(deadline):
                return
            refused += 1
            if refused > _PATIENCE:
                await self._end_lost(deadline)
            await asyncio.sleep(0.1)

    async def status(self) -> Mapping[str, Any]:
        """Return the supervisor's status, or ``{"state": "stopped"}`` if there is none."""
        try:
            answer, files = await self._control.ask("status", ASK_TIMEOUT)
        except TimeoutError as error:
            raise self._silent() from error
        except OSError:
            return {"ok": True, "state": "stopped", "ready": False}
        close_files(files)
        return answer

    async def stop(self) -> None:
        """Stop the engine and every container in it; no engine is no error.

        Returns when nothing of it is left. Raises OrkeeError ``engine_timeout``.
        """
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await self._control.until_closed("stop")
        except TimeoutError as error:
            raise OrkeeError(
                "engine_timeout",
                f"The Dagger engine did not stop in {STOP_TIMEOUT:g} s.",
                f"Its log is {self.log_path}.",
            ) from error
        except OSError:
            await self._end_lost(time.monotonic() + STOP_TIMEOUT)

    async def listener(self) -> tuple[socket.socket, str]:
        """Return a listening TCP socket in the containers' network, and its address.

        The address is ``HOST:PORT`` as containers dial it. The caller closes the socket.
        Raises OrkeeError ``no_engine`` if the engine does not run, else ``engine_failed``.
        """
        try:
            answer, files = await self._control.ask("listener", ASK_TIMEOUT)
        except TimeoutError as error:
            raise self._silent() from error
        except OSError as error:
            raise OrkeeError("no_engine", "The native Dagger engine does not run.") from error
        if not answer.get("ok") or len(files) != 1:
            close_files(files)
            raise OrkeeError(
                "engine_failed", f"The engine gave no listener: {answer.get('error', 'no file')}."
            )
        listening = socket.socket(fileno=files[0])
        listening.setblocking(False)
        return listening, str(answer["address"])

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[None]:
        """Keep the engine from ending by itself while the block runs.

        Raises OrkeeError ``no_engine`` if the engine does not run.
        """
        try:
            connection = await self._control.hold("lease")
        except OSError as error:
            raise OrkeeError("no_engine", "The native Dagger engine does not run.") from error
        with connection:
            yield

    async def limit(self, sandbox_id: str, limits: Limits) -> NativeGuard | None:
        """Hold a sandbox's container to limits from outside, by a cgroup; None if that can't be."""
        try:
            async with asyncio.timeout(ASK_TIMEOUT):
                answer, connection = await self._control.converse(
                    "limit", guard_params(sandbox_id, limits)
                )
        except OSError as error:  # TimeoutError is one
            log.warning("The engine's supervisor was not asked for limits: %s", error)
            return None
        enforced = guard_kinds(answer)
        if not enforced:
            connection.close()
            log.info("No limits from outside: %s", answer.get("error", "none of these kinds"))
            return None
        return NativeGuard(connection, enforced)

    async def freeze(self, sandbox_id: str) -> NativeFrozen:
        """Have all that runs in a sandbox's container stand still, by a cgroup.

        Raises OrkeeError ``freeze_unsupported``, ``engine_failed``, ``no_engine``.
        """
        answer, connection = await self._demand("freeze", {"sandbox": sandbox_id})
        if answer.get("ok"):
            return NativeFrozen(connection)
        connection.close()
        if answer.get("unsupported"):
            raise freeze_unsupported(_reason(answer))
        raise OrkeeError("engine_failed", f"The container was not frozen: {_reason(answer)}.")

    async def police(self, sandbox_id: str, hosts: Sequence[str], link: str | None) -> NativeFence:
        """Have a sandbox's container reach these hosts only, by rules in its namespace.

        Raises OrkeeError ``engine_failed``, ``no_engine``.
        """
        asked = {"sandbox": sandbox_id, "hosts": list(hosts), "link": link or ""}
        answer, connection = await self._demand("police", asked)
        if answer.get("ok"):
            return NativeFence(connection)
        connection.close()
        cause = f"The sandbox was not kept from the network: {_reason(answer)}."
        raise OrkeeError("engine_failed", cause)

    async def link(self, sandbox_id: str, name: str, target_id: str | None) -> None:
        """Have a sandbox's container find another one by a name, and reach it if it runs.

        Raises OrkeeError ``engine_failed``, ``no_engine``.
        """
        asked = {"sandbox": sandbox_id, "name": name, "target": target_id or ""}
        answer, connection = await self._demand("link", asked)
        connection.close()
        if not answer.get("ok"):
            cause = f"The sandbox was not linked to {name}: {_reason(answer)}."
            raise OrkeeError("engine_failed", cause)

    async def _demand(
        self, op: str, params: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], socket.socket]:
        """Return the supervisor's answer, good or bad, and its connection, for the caller to close.

        Raises OrkeeError ``engine_timeout``, ``no_engine``.
        """
        try:
            async with asyncio.timeout(ASK_TIMEOUT):
                return await self._control.converse(op, params)
        except TimeoutError as error:
            raise self._silent() from error
        except OSError as error:
            raise OrkeeError("no_engine", "The native Dagger engine does not run.") from error

    async def hold(self) -> None:
        """Keep the engine running; returns when it has gone. Cancel to let it go."""
        with contextlib.suppress(OSError):
            await self._control.until_closed("lease")

    def log_tail(self, lines: int = _LOG_LINES) -> list[str]:
        """Return the last lines of the log, none if there is no log."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - 64 * 1024))
                return log.read().decode("utf-8", "replace").splitlines()[-lines:]
        except OSError:
            return []

    # -- starting ---------------------------------------------------------------------------

    def _require_installed(self) -> None:
        if missing := self.missing():
            raise OrkeeError(
                "no_engine",
                f"The native Dagger engine is not installed: {', '.join(missing)} missing.",
                "Run `orkee engine install`.",
            )

    async def _settled(self, deadline: float) -> str:
        """Return the state of a supervisor that there is, once it is no longer starting."""
        try:
            async with asyncio.timeout_at(_loop_time(deadline)):
                answer, files = await self._control.ask("wait")
        except TimeoutError as error:
            raise self._failed("was not ready in time") from error
        except OSError:
            return "stopped"
        close_files(files)
        return str(answer.get("state", "failed"))

    async def _gone(self, deadline: float) -> None:
        """Wait until a supervisor that is ending has ended."""
        try:
            async with asyncio.timeout_at(_loop_time(deadline)):
                await self._control.until_closed("stop")
        except TimeoutError as error:
            raise self._failed("did not end") from error
        except OSError:
            return

    async def _spawn(self, deadline: float) -> bool:
        """Start a supervisor; say whether an engine is ready (else another ended it)."""
        process = await asyncio.to_thread(self._launch)
        while time.monotonic() < deadline:
            code = process.poll()
            if code is not None and code != _BUSY:
                raise self._failed("ended while it started")
            state = await self._settled(deadline)
            if state == "ready":
                return True
            if code == _BUSY and state == "stopped":
                # Another supervisor holds the lock: it is about to listen, is ending, or
                # its sockets were removed under it.
                return False
            await asyncio.sleep(0.02)
        process.terminate()
        raise self._failed(f"was not ready after {START_TIMEOUT:g} s")

    async def _end_lost(self, deadline: float) -> None:
        """End a supervisor that holds the lock but whose sockets somebody removed.

        Nobody can reach it any more, so it would keep every other one from starting.
        """
        pid = self._holder()
        if pid is None or (self.socket_dir / "control.sock").exists():
            return
        for kind in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(pid, kind)
            except OSError:
                return
            until = min(deadline, time.monotonic() + STOP_TIMEOUT / 2)
            while time.monotonic() < until:
                if self._holder() != pid:
                    return
                await asyncio.sleep(0.05)

    def _holder(self) -> int | None:
        """Return the pid of the living supervisor that the lock's file names, if there is one."""
        try:
            pid = int(json.loads(self._lock_path.read_text("utf-8"))["pid"])
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return pid if Path(os.fsdecode(words[0])).name == "orkee-engine" else None

    async def _run(self, *arguments: str, timeout: float) -> tuple[int, bytes]:
        """Return exit code and output of ``orkee-engine`` doing something short."""
        process = await asyncio.create_subprocess_exec(
            str(self.bin_dir / "orkee-engine"),
            *arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(),
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), timeout)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode or 0, output

    def _write_config(self) -> Path:
        config = {
            "bin_dir": str(self.bin_dir),
            "state_dir": str(self.state_dir),
            "socket_dir": str(self._default_sockets),
            "registry_dir": str(self._registry),
            "idle_timeout": self._idle_timeout,
            "version": paths.ENGINE_VERSION,
        }
        authorities = paths.data_dir() / "ca-certificates"
        if authorities.is_dir():
            config["ca_dir"] = str(authorities)
        path = self._dir / "engine.json"
        with tempfile.NamedTemporaryFile("w", dir=self._dir, suffix=".json", delete=False) as aside:
            json.dump(config, aside)
        Path(aside.name).replace(path)
        return path

    def _launch(self) -> subprocess.Popen[bytes]:
        path = self._write_config()
        with self.log_path.open("ab") as log:
            process = subprocess.Popen(
                [str(self.bin_dir / "orkee-engine"), "run", "--config", str(path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                cwd="/",
                start_new_session=True,
            )
        # Collects the exit code whenever the engine ends, so that no zombie stays.
        threading.Thread(target=process.wait, name="orkee-engine", daemon=True).start()
        return process

    def _silent(self) -> OrkeeError:
        return OrkeeError(
            "engine_timeout",
            f"The engine's supervisor did not answer in {ASK_TIMEOUT:g} s.",
            f"Its log is {self.log_path}.",
        )

    def _failed(self, what: str) -> OrkeeError:
        tail = self.log_tail()
        own = [line for line in tail if line.startswith("orkee-engine: ")]
        reason = own[-1].removeprefix("orkee-engine: ") if own else ""
        return OrkeeError(
            "no_engine",
            f"The native Dagger engine {what}{': ' + reason if reason else ''}.",
            f"Its log is {self.log_path}.",
            details={"log": tail},
        )


def _environment() -> dict[str, str]:
    """Return what the supervisor inherits: the system's programs and the proxies, no more."""
    names = ("HOME", "LANG", "USER", "LOGNAME", "http_proxy", "https_proxy", "no_proxy")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    upper = {n.lower(): os.environ[n] for n in ("HTTP_PROXY", "HTTPS_PROXY") if n in os.environ}
    return {**upper, **kept, "PATH": _SEARCH_PATH}


def _loop_time(deadline: float) -> float:
    """Return a deadline of the monotonic clock as one of the event loop's."""
    return asyncio.get_running_loop().time() + max(0.0, deadline - time.monotonic())


def _reason(answer: Mapping[str, Any]) -> str:
    return str(answer.get("error", "no reason was given"))
