"""Finding a server: given, inherited, running already, or started for the occasion.

Order: an explicit URL and token; ``ORKEE_URL`` and ``ORKEE_TOKEN``; the socket named by
``ORKEE_SOCKET`` (a Jupyter server puts it into its kernels' environment); the newest live
``server-*.sock`` in the runtime folder; else a headless server is started.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import parse_qs, urlsplit, urlunsplit

from orkee_jupyter import paths
from orkee_jupyter.sandbox.errors import OrkeeError

START_TIMEOUT = 15.0  # seconds for a headless server to open its socket
HEADLESS_COMMAND = (sys.executable, "-m", "orkee_jupyter.cli", "serve")
#: What a kernel or a shell inherits and a server of its own must not take for its own.
NOT_INHERITED = ("ORKEE_SOCKET", "ORKEE_URL", "ORKEE_TOKEN", "JPY_PARENT_PID", "JPY_SESSION_NAME")
_LIVE_TIMEOUT = 1.0  # seconds for a local server to accept
_END_TIMEOUT = 3.0  # seconds for a server that did not come up to end
_POLL = 0.05  # seconds between two looks
_LOG_LIMIT = 1 << 20  # bytes, beyond which the log is set aside at the next start
_TAIL = 20  # lines of the log shown with a failed start


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is. ``url`` is the base of the application and ends with a slash."""

    url: str
    socket: str | None = None  # path of its unix socket, if that is the way
    token: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.socket or self.url


def find(url: str | None = None, token: str | None = None, *, start: bool = True) -> Address:
    """Return the address of a server, starting one where none runs and ``start`` allows it.

    Blocks up to 15 s while one starts. Raises OrkeeError ``invalid_request`` for a bad URL,
    ``server_unreachable`` if there is none or it does not start.
    """
    address = locate(url, token)
    if address is not None:
        return address
    if not start:
        raise OrkeeError(
            "server_unreachable",
            "No Orkee server runs on this machine.",
            "Start one with `orkee serve`, or give a URL by ORKEE_URL.",
        )
    return start_headless()


def locate(url: str | None = None, token: str | None = None) -> Address | None:
    """Return the address of a server that is given or runs already, else None."""
    if url:
        return from_url(url, token)
    if given := os.environ.get("ORKEE_URL"):
        return from_url(given, token or os.environ.get("ORKEE_TOKEN"))
    inherited = os.environ.get("ORKEE_SOCKET")
    if inherited and is_live(Path(inherited)):
        return from_socket(Path(inherited))
    return next((from_socket(path) for path in live_sockets()), None)


def from_url(url: str, token: str | None = None) -> Address:
    """Return the address for a server's URL.

    A ``?token=`` in it counts as the token; ``unix:///PATH`` is a server's unix socket.
    Raises OrkeeError ``invalid_request`` for anything else.
    """
    if url.startswith("unix:///"):
        return from_socket(Path(url.removeprefix("unix://")))
    try:
        parts = urlsplit(url.strip())
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        port_is_valid = False
    if not port_is_valid or parts.scheme not in ("http", "https") or not parts.hostname:
        raise OrkeeError(
            "invalid_request",
            "The server's URL is not an http or https address.",
            "Give it as http://HOST:PORT/, with the token apart.",
        )
    found = token or next(iter(parse_qs(parts.query).get("token", [])), None)
    path = re.sub(r"/(lab|tree)?/?$", "", parts.path) + "/"
    return Address(urlunsplit((parts.scheme, parts.netloc, path, "", "")), token=found)


def from_socket(path: Path) -> Address:
    """Return the address for a unix socket, where the application is mounted at the root."""
    return Address("http://orkee/", socket=str(path))


def live_sockets() -> Iterator[Path]:
    """Yield the sockets of this user's servers that accept connections, newest first."""
    found = []
    for path in paths.runtime_dir().glob("server-*.sock"):
        with contextlib.suppress(OSError):  # its server may end while we look
            found.append((path.lstat().st_mtime_ns, path))
    for _, path in sorted(found, reverse=True):
        if is_live(path):
            yield path


def is_live(path: Path) -> bool:
    """Return whether a server of this same user accepts connections on that socket."""
    try:
        info = path.lstat()
        if not stat.S_ISSOCK(info.st_mode) or info.st_uid != os.getuid():
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_LIVE_TIMEOUT)
            probe.connect(str(path))
    except OSError:
        return False
    return True


def may_answer(address: Address) -> bool:
    """Return False for a local server that has gone, so that another may take its place."""
    return address.socket is None or is_live(Path(address.socket))


def start_headless(command: Sequence[str] | None = None, timeout: float = START_TIMEOUT) -> Address:
    """Start a server in the background and return its address once it accepts.

    Of several callers at once one starts it, the others wait for the same one. Raises
    OrkeeError ``server_unreachable``, with the end of the server's log, if it does not start.
    """
    deadline = time.monotonic() + timeout
    with _start_lock(deadline):
        for path in live_sockets():
            return from_socket(path)
        log, log_path = _open_log()
        with log:
            begin = log.tell()
            process = subprocess.Popen(
                command or HEADLESS_COMMAND,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={k: v for k, v in os.environ.items() if k not in NOT_INHERITED},
                start_new_session=True,  # it outlives this process, its terminal and Ctrl-C
            )
        # Reaps it if it ends before we do, so that no zombie stays.
        threading.Thread(target=process.wait, name="orkee-headless", daemon=True).start()
        while time.monotonic() < deadline:
            for path in live_sockets():
                return from_socket(path)
            if process.returncode is not None:
                break
            time.sleep(_POLL)
        raise _start_failed(process, log_path, begin, timeout)


@contextlib.contextmanager
def _start_lock(deadline: float) -> Iterator[None]:
    """Hold the lock of starting. Past the deadline, goes on only if a server has come up."""
    with (paths.runtime_dir() / "start.lock").open("ab") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if any(True for _ in live_sockets()):
                    break
                if time.monotonic() > deadline:
                    raise OrkeeError(
                        "server_unreachable",
                        "Another process has been starting a server for too long.",
                        "Try again, or start one with `orkee serve` to see what it says.",
                    ) from None
            time.sleep(_POLL)
        yield


def _open_log() -> tuple[IO[bytes], Path]:
    """Open the headless server's log for appending; one older log is kept."""
    folder = paths.data_dir() / "logs"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "headless.log"
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > _LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
    file.seek(0, os.SEEK_END)
    return file, path


def _start_failed(
    process: subprocess.Popen[bytes], log: Path, begin: int, timeout: float
) -> OrkeeError:
    """End a server that did not come up, and return the error that says why."""
    if process.returncode is None:
        process.terminate()
        try:
            process.wait(_END_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
        cause = f"A headless Orkee server did not open its socket within {timeout:.0f} s."
    else:
        cause = f"A headless Orkee server ended at once with exit code {process.returncode}."
    with log.open("rb") as file:
        file.seek(begin)
        text = file.read().decode(errors="replace")
    tail = re.sub(r"token=[0-9A-Za-z]+", "token=…", text).splitlines()[-_TAIL:]
    last = f" It said last: {tail[-1].strip()}" if tail else ""
    return OrkeeError(
        "server_unreachable",
        cause + last,
        f"Read its log, {log}, or run `orkee serve` to see it start.",
        details={"file": str(log), "tail": tail},
    )
