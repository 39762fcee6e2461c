"""Which engine to use: the first that works, and why the others are not used."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .. import paths
from ..sandbox.errors import OrkeeError
from .native import NativeEngine

#: What the Dagger CLI can dial (its ``engine/client/drivers``).
SCHEMES = (
    "unix",
    "tcp",
    "docker-container",
    "podman-container",
    "kube-pod",
    "image",
    "docker-image",
    "ssh",
)
_PROBE = 5.0  # seconds
INSTALL = "Run `orkee engine install` for the native engine, or start Docker or Podman."


@dataclass(frozen=True, slots=True)
class Candidate:
    """An engine that could be used; ``reason`` says why it can or can't."""

    kind: str  # "configured", "native", "docker" or "podman"
    usable: bool
    reason: str
    runner_host: str | None = None


def configured_host(trait: str | None) -> str | None:
    """Return the configured engine: the trait, else the environment."""
    return (
        trait
        or os.environ.get("ORKEE_RUNNER_HOST")
        or os.environ.get("_EXPERIMENTAL_DAGGER_RUNNER_HOST")
        or None
    )


async def survey(runner_host: str | None, native: NativeEngine) -> Sequence[Candidate]:
    """Return every candidate in the order of choice."""
    return await asyncio.gather(*(probe() for probe in _probes(runner_host, native)))


async def choose(runner_host: str | None, native: NativeEngine) -> Candidate:
    """Return the first candidate that works, without asking those behind it.

    Raises OrkeeError ``no_engine`` whose details hold all of them.
    """
    seen: list[Candidate] = []
    for probe in _probes(runner_host, native):
        candidate = await probe()
        if candidate.usable:
            return candidate
        seen.append(candidate)
    why = "; ".join(f"{each.kind}: {each.reason}" for each in seen)
    raise OrkeeError(
        "no_engine",
        f"No Dagger engine can be used ({why}).",
        INSTALL,
        details={"candidates": [asdict(each) for each in seen]},
    )


def _probes(
    runner_host: str | None, native: NativeEngine
) -> Sequence[Callable[[], Awaitable[Candidate]]]:
    return (
        lambda: _configured(configured_host(runner_host)),
        lambda: _native(native),
        # Docker's client needs its daemon; podman has one only where it is a remote client.
        lambda: _container_tool("docker", "version", "{{.Server.Version}}"),
        lambda: _container_tool("podman", "info", "{{.Version.Version}}"),
    )


def cli() -> Path | None:
    """Return the ``dagger`` command to use, None where there is none.

    The engine and the command must be of one version: the one we built, one
    that the user names, or one on the PATH.
    """
    named = os.environ.get("_EXPERIMENTAL_DAGGER_CLI_BIN")
    built = paths.engine_dir() / "bin" / "dagger"
    found = shutil.which("dagger")
    for path in (named, built, found):
        if path and Path(path).is_file() and os.access(path, os.X_OK):
            return Path(path)
    return None


async def report(runner_host: str | None, native: NativeEngine) -> Mapping[str, Any]:
    """Return the survey as JSON-ready facts: ``chosen`` (or None) and ``candidates``."""
    candidates = await survey(runner_host, native)
    chosen = next((each for each in candidates if each.usable), None)
    command = cli()
    return {
        "version": paths.ENGINE_VERSION,
        "chosen": chosen.kind if chosen else None,
        "runner_host": chosen.runner_host if chosen else None,
        "remedy": None if chosen else INSTALL,
        "candidates": [asdict(each) for each in candidates],
        "native": await _native_status(native) if native.installed() else None,
        "cli": str(command) if command else None,
    }


async def _native_status(native: NativeEngine) -> Mapping[str, Any]:
    try:
        return await native.status()
    except OrkeeError as error:
        return {"ok": False, "state": "silent", "ready": False, "problem": error.cause}


async def _configured(host: str | None) -> Candidate:
    if host is None:
        return Candidate("configured", False, "none is configured (runner_host)")
    try:
        url = urlsplit(host)
        address = (url.hostname or "", url.port or 0)
    except ValueError as error:
        return Candidate("configured", False, f"{host!r} is no address: {error}", host)
    if url.scheme not in SCHEMES:
        return Candidate("configured", False, f"{host!r} is none of {', '.join(SCHEMES)}", host)
    if url.scheme == "unix" and not await _dials(path=url.path):
        return Candidate("configured", False, f"nothing answers at {host}", host)
    if url.scheme == "tcp" and not await _dials(address=address):
        return Candidate("configured", False, f"nothing answers at {host}", host)
    tool, _, what = url.scheme.partition("-")
    if what == "container" and not await _runs(tool, url.netloc, url.query):
        reason = f"{tool} has no running container {url.netloc!r}"
        return Candidate("configured", False, reason, host)
    return Candidate("configured", True, f"configured: {host}", host)


async def _runs(tool: str, container: str, query: str) -> bool:
    """Say whether a container runs; a session with one that does not would wait a minute."""
    if shutil.which(tool) is None:
        return False
    context = [f"--context={each}" for each in parse_qs(query).get("context", ())]
    words = [*context, "inspect", "--format", "{{.State.Running}}", "--", container]
    _, said = await _ask(tool, *words)
    return said == "true"


async def _dials(path: str | None = None, address: tuple[str, int] | None = None) -> bool:
    try:
        async with asyncio.timeout(_PROBE):
            if path is not None:
                _, writer = await asyncio.open_unix_connection(path)
            else:
                _, writer = await asyncio.open_connection(*(address or ("", 0)))
    except (OSError, ValueError):  # ValueError: a name that can't be one of a host or file
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


async def _native(native: NativeEngine) -> Candidate:
    missing = native.missing()
    if missing:
        return Candidate("native", False, f"not installed ({', '.join(missing)} missing)")
    try:
        state = await native.status()
        if state.get("ready"):
            return Candidate("native", True, "runs", native.runner_host)
        facts = await native.check()
    except OrkeeError as error:  # another engine may do, and a status has to say it
        return Candidate("native", False, error.cause.rstrip("."))
    if not facts.get("ok"):
        return Candidate("native", False, "; ".join(facts.get("problems", ())) or "cannot run here")
    return Candidate("native", True, "installed", native.runner_host)


async def _container_tool(name: str, verb: str, version: str) -> Candidate:
    if shutil.which(name) is None:
        return Candidate(name, False, f"{name} is not installed")
    code, said = await _ask(name, verb, "--format", version)
    if code is None:
        return Candidate(name, False, said)
    if code != 0:
        return Candidate(name, False, f"{name} is installed but its service does not answer")
    return Candidate(name, True, f"{name} {said} answers")


async def _ask(name: str, *words: str) -> tuple[int | None, str]:
    """Return exit code and output of a short command; None and why if there is no answer."""
    # A file, for a pipe stays open as long as any child of the command holds it.
    with tempfile.TemporaryFile() as output:
        try:
            process = await asyncio.create_subprocess_exec(
                *(name, *words),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            return None, f"{name} cannot be run: {error.strerror}"
        try:
            code = await asyncio.wait_for(process.wait(), _PROBE)
        except TimeoutError:
            return None, f"{name} does not answer"
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        output.seek(0)
        return code, output.read(100).decode(errors="replace").strip()
