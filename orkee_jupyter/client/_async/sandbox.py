"""``AsyncSandbox``: a sandbox in the hands of Python code."""

from __future__ import annotations

import base64
import builtins
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from orkee_jupyter.archive.packing import local_folder
from orkee_jupyter.sandbox.conditions import DEFAULT_WAIT
from orkee_jupyter.sandbox.errors import OrkeeError

from .. import transport
from ..kept import Snapshot, name_of
from ..lines import LineCaller, Source
from ..record import limits_of
from ..results import ExecResult, LineAssembler, sandbox_of
from ..waiting import async_in_thread
from .background import AsyncBackground
from .connection import AsyncConnection
from .defaults import async_default_connection
from .files import LocalPath
from .lifecycle import AsyncLifecycleSandbox
from .ports import AsyncPortSandbox
from .process import AsyncProcess
from .scripts import async_open_code
from .snapshots import AsyncSnapshotSandbox
from .stats import AsyncStatsSandbox
from .streams import AsyncExecStream, AsyncLogStream
from .terminal import AsyncTerminalSandbox
from .workspace import AsyncFileSandbox

if TYPE_CHECKING:
    from .client import AsyncClient

Command = str | Sequence[str]
#: Bytes or characters of stdin that go with the request; more is streamed over a websocket.
SMALL_STDIN = 128 * 1024
_PAGE = 200  # sandboxes asked for at once


class AsyncSandbox(
    AsyncFileSandbox,
    AsyncLifecycleSandbox,
    AsyncPortSandbox,
    AsyncSnapshotSandbox,
    AsyncStatsSandbox,
    AsyncTerminalSandbox,
):
    """A container to run code in, made by ``await AsyncSandbox.create(…)``.

    Its properties are what the server said last; ``await refresh()`` asks again. As a context
    manager it is stopped at the end. Every method raises OrkeeError with a stable ``code``.
    """

    def __init__(self, data: dict[str, Any], connection: AsyncConnection) -> None:
        super().__init__(data)
        self._connection = connection

    @classmethod
    async def create(
        cls,
        template: str | None = None,
        *,
        name: str | None = None,
        image: str | None = None,
        project: str | None = None,
        ports: Sequence[int | str] | None = None,
        env: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        network: str | None = None,
        links: Sequence[str] | None = None,
        labels: Mapping[str, str] | None = None,
        ttl: str | float | None = None,
        on_expiry: str | None = None,
        timeout: str | float | None = None,
        memory: str | int | None = None,
        cpus: float | None = None,
        pids: int | None = None,
        command: Command | None = None,
        working_directory: str | None = None,
        snapshot: Snapshot | str | None = None,
        mount: LocalPath | None = None,
        gitignore: bool = False,
        wait: str | Sequence[str] = (),
        wait_timeout: float = DEFAULT_WAIT,
        on_progress: Callable[[str], object] | None = None,
        client: AsyncClient | None = None,
    ) -> Self:
        """Start a sandbox and return it when it is active.

        What is not given comes from the template. ``secrets`` are variables like those of
        ``env`` whose values the server keeps in memory only, and masks in outputs; ``network``
        is what it may reach: "full", "none" or "allow:pypi.org,192.0.2.0/24"; ``links`` are
        names of active sandboxes whose ports it reaches under these names. A port is a number,
        or "8080:3000" for port 3000 at port 8080 of the host. ``wait`` is what ``wait_for``
        takes, or several of it; a sandbox that was waited for in vain stays. ``ttl`` is "30m",
        "2h" or seconds, ``on_expiry`` what happens when that is over, "stop" or "pause";
        ``memory`` ("256m" or bytes), ``cpus`` (1.5) and ``pids`` (processes and threads) are what
        it may use at most, ``timeout`` ("30m" or seconds) how long it may live in all: a sandbox
        that breaks one fails, one that uses its processors' time is held back;
        ``snapshot`` is one whose files the workspace begins with; without a template, what is
        not given comes from the sandbox that it was made of;
        ``mount`` is a folder that is copied into the workspace before the command starts
        (a copy: changes on one side do not show on the other), with ``gitignore`` without what
        git ignores; ``on_progress`` gets a sentence for each step. Raises OrkeeError for
        whatever is wrong with the request, the image, the command or the engine.
        """
        body = {
            "template": template,
            "name": name,
            "image": image,
            "project": project,
            "ports": None if ports is None else list(ports),
            "env": None if env is None else dict(env),
            "secrets": None if secrets is None else dict(secrets),
            "network": network,
            "links": None if links is None else list(links),
            "labels": None if labels is None else dict(labels),
            "ttl": ttl,
            "on_expiry": on_expiry,
            "timeout": timeout,
            "limits": limits_of(memory, cpus, pids),
            "command": None if command is None else to_command(command),
            "working_directory": working_directory,
            "from": None if snapshot is None else name_of(snapshot),
            "start": None if mount is None else False,
        }
        if mount is not None:
            await async_in_thread(local_folder, mount)  # before there is a sandbox
        wanted = {key: value for key, value in body.items() if value is not None}
        connection = connection_of(client)
        lines = connection.lines("POST", "sandbox", body=wanted, timeout=transport.CREATE)
        try:
            async for line in lines:
                if "sandbox" in line:
                    sandbox = cls(line["sandbox"], connection)
                    break
                if on_progress is not None and "progress" in line:
                    on_progress(str(line["progress"]))
            else:
                raise connection.broken()
        finally:
            await lines.aclose()
        if mount is not None:
            await sandbox.fill_and_start(mount, gitignore, on_progress)
        return await sandbox.wait_for_all(wait, wait_timeout)

    @classmethod
    async def get(cls, ref: str, *, client: AsyncClient | None = None) -> Self:
        """Return the sandbox of a full id, the unique beginning of one, or a name.

        Raises OrkeeError ``sandbox_not_found`` or ``ambiguous_id``.
        """
        connection = connection_of(client)
        answer = await connection.call("GET", transport.sandbox_path(ref))
        return cls(sandbox_of(answer), connection)

    @classmethod
    async def list(
        cls,
        *,
        status: str | Sequence[str] | None = None,
        project: str | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        client: AsyncClient | None = None,
    ) -> builtins.list[Self]:
        """Return the sandboxes that match all filters, ended ones too, newest first."""
        connection = connection_of(client)
        params = [("limit", str(_PAGE))]
        if status is not None:
            params.append(("status", status if isinstance(status, str) else ",".join(status)))
        params += [(key, v) for key, v in (("project", project), ("name", name)) if v is not None]
        params += [("label", f"{key}={value}") for key, value in (labels or {}).items()]
        found: builtins.list[Self] = []
        cursor: str | None = None
        while True:
            page = [*params, ("cursor", cursor)] if cursor else params
            answer = await connection.call("GET", "sandbox", params=page)
            found += [cls(data, connection) for data in answer.get("sandboxes", [])]
            cursor = answer.get("next")
            if not cursor:
                return found

    async def refresh(self) -> Self:
        """Ask the server for the present facts; return this same object."""
        answer = await self._connection.call("GET", transport.sandbox_path(self.id))
        self._data = sandbox_of(answer)
        return self

    async def stop(self) -> Self:
        """End the container and remove its workspace; return this same object.

        Raises OrkeeError ``sandbox_not_active`` if it has ended before.
        """
        answer = await self._connection.call("DELETE", transport.sandbox_path(self.id))
        self._data = sandbox_of(answer)
        return self

    async def exec(
        self,
        command: Command,
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stdin: Source | None = None,
        timeout: float | None = None,
        check: bool = False,
        on_output: Callable[[str, bytes], object] | None = None,
        on_line: Callable[[str, str], object] | None = None,
    ) -> ExecResult:
        """Run a command to its end and return its exit code and output.

        Text is run by ``sh -c``, a list as it is. ``stdin`` is bytes, text, a file or an
        iterable of pieces. ``timeout`` in seconds ends the command. ``on_output`` gets
        ``(stream, bytes)`` as it comes, ``on_line`` ``(stream, line)``. A failing command is a
        result, not an error, unless ``check`` says so: then OrkeeError ``command_failed`` has
        its ``exit_code`` and last ``lines`` in its details. OrkeeError is also raised if it
        cannot run (``command_not_found``, …).
        """
        small = stdin is None or (isinstance(stdin, bytes | str) and len(stdin) <= SMALL_STDIN)
        opened = (
            self.stream(command, env=env, cwd=cwd, stdin=stdin, timeout=timeout)  # type: ignore[arg-type]  # small
            if small
            else await self.popen(command, env=env, cwd=cwd, stdin=stdin, timeout=timeout)
        )
        result = await self._collect(opened, on_output, on_line)
        return result.checked(to_command(command)) if check else result

    async def run(
        self,
        code: str,
        lang: str | None = None,
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stdin: Source | None = None,
        timeout: float | None = None,
        check: bool = False,
        on_output: Callable[[str, bytes], object] | None = None,
        on_line: Callable[[str, str], object] | None = None,
    ) -> ExecResult:
        """Run code in a language, "bash", "python", "node" …, and return as ``exec`` does.

        Without ``lang`` it is that of the sandbox's template, else a shell's.
        """
        options = {"env": env, "cwd": cwd, "stdin": stdin, "timeout": timeout}
        process = await async_open_code(self, code, lang, options)
        result = await self._collect(process, on_output, on_line)
        return result.checked([lang or "code"]) if check else result

    async def popen(
        self,
        command: Command,
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stdin: Source | bool | None = None,
        timeout: float | None = None,
        text: bool = False,
        on_line: Callable[[str, str], object] | None = None,
        hold: bool = True,
    ) -> AsyncProcess:
        """Start a command and return it running, to read, write to, signal and wait for.

        ``stdin`` is True to be written to, or what ``exec`` takes. It yields bytes, or text
        with ``text``. Without ``hold`` it keeps the sandbox from expiring by its input and
        output only, not by running.
        """
        start: dict[str, Any] = {"command": to_command(command)}
        start |= {"stdin": stdin is not None and stdin is not False, "hold": hold}
        given = {"env": None if env is None else dict(env), "cwd": cwd, "timeout": timeout}
        start |= {key: value for key, value in given.items() if value is not None}
        path = transport.sandbox_path(self.id, "exec")
        process = AsyncProcess(self._connection, path, start, text=text, on_line=on_line)
        return await process.open(None if isinstance(stdin, bool) else stdin)

    async def popen_code(self, code: str, lang: str | None = None, **options: Any) -> AsyncProcess:
        """Start code in a language and return it running; takes the options of ``popen``."""
        return await async_open_code(self, code, lang, options)

    async def _collect(
        self,
        running: AsyncExecStream | AsyncProcess,
        on_output: Callable[[str, bytes], object] | None,
        on_line: Callable[[str, str], object] | None,
    ) -> ExecResult:
        """Read a command to its end."""
        pieces: builtins.list[tuple[str, bytes]] = []
        lines = LineCaller(on_line) if on_line is not None else None
        async with running:
            async for piece in running:
                pieces.append(piece)
                if on_output is not None:
                    on_output(*piece)
                if lines is not None:
                    lines.feed(*piece)
        if lines is not None:
            lines.finish()
        if running.exit is None:
            raise self._connection.broken()
        return ExecResult.collect(pieces, running.exit)

    def stream(
        self,
        command: Command,
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stdin: bytes | str | None = None,
        timeout: float | None = None,
    ) -> AsyncExecStream:
        """Return a command's output to iterate over: ``(stream, bytes)`` pieces as they come.

        Afterwards its ``exit`` says how it ended. The command starts at the first piece asked
        for, and is ended if the iteration is left early.
        """
        body: dict[str, Any] = {"command": to_command(command)}
        if env:
            body["env"] = dict(env)
        if cwd is not None:
            body["cwd"] = cwd
        if timeout is not None:
            body["timeout"] = timeout
        if isinstance(stdin, bytes):
            body["stdin_base64"] = base64.b64encode(stdin).decode()
        elif stdin is not None:
            body["stdin"] = stdin
        path = transport.sandbox_path(self.id, "exec")
        return AsyncExecStream(self._connection, path, body)

    async def detach(
        self,
        command: Command,
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> AsyncBackground:
        """Start a command that goes on by itself, and return it as ``processes()`` has it.

        Its newest 256 KiB of output are kept. It does not keep the sandbox from expiring.
        """
        body: dict[str, Any] = {"command": to_command(command), "detach": True}
        given = {"env": None if env is None else dict(env), "cwd": cwd}
        body |= {key: value for key, value in given.items() if value is not None}
        lines = self._connection.lines(
            "POST", transport.sandbox_path(self.id, "exec"), body=body, timeout=transport.CALL_LINES
        )
        try:
            async for line in lines:
                if "pid" in line:
                    data = {"pid": line["pid"], "command": body["command"], "kind": "detached"}
                    return AsyncBackground(self._connection, self.id, data)
        finally:
            await lines.aclose()
        raise self._connection.broken()

    async def processes(self) -> builtins.list[AsyncBackground]:
        """Return the commands that run in it, and the detached ones that ended last."""
        path = transport.sandbox_path(self.id, "processes")
        answer = await self._connection.call("GET", path)
        found = answer.get("processes", [])
        return [AsyncBackground(self._connection, self.id, data) for data in found]

    def process(self, pid: int) -> AsyncBackground:
        """Return a command by its number in the sandbox, to attach to or signal; asks nothing."""
        return AsyncBackground(self._connection, self.id, {"pid": pid})

    async def logs(
        self, *, follow: bool = False, tail: int | None = None, since: float | None = None
    ) -> AsyncGenerator[str]:
        """Yield the lines of the main command's log, without their newlines.

        ``tail`` begins with the last lines, ``since`` at a unix time; ``follow`` goes on until
        the command ends, across broken connections. Missing bytes are said in a line.
        """
        assembler = LineAssembler()
        async with self.log_entries(follow=follow, tail=tail, since=since) as entries:
            async for entry in entries:
                for line in assembler.feed(entry):
                    yield line
        for line in assembler.finish():
            yield line

    def log_entries(
        self,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        after: int = 0,
    ) -> AsyncLogStream:
        """Return the log as it is: entries with ``seq``, ``time``, ``stream`` and ``data``.

        ``after`` begins behind a sequence number. Afterwards ``end`` says why it ended.
        """
        return AsyncLogStream(
            self._connection,
            transport.sandbox_path(self.id, "logs"),
            follow=follow,
            tail=tail,
            since=since,
            after=after,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self.stop()
        except OrkeeError as problem:
            if problem.code in ("sandbox_not_active", "sandbox_not_found"):
                return
            if error is None:
                raise
            # The error of the body matters more than that of the clearing up.
            error.add_note(f"The sandbox {self.short_id} was not stopped: {problem}")


def connection_of(client: AsyncClient | None) -> AsyncConnection:
    """Return a client's connection, or the default one."""
    return async_default_connection() if client is None else client.connection


def to_command(command: Command) -> list[str]:
    """Return the argument list of a command; text is run by a shell."""
    return ["sh", "-c", command] if isinstance(command, str) else list(command)
