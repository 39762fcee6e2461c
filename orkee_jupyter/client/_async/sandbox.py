"""``AsyncSandbox``: a sandbox in the hands of Python code."""

from __future__ import annotations

import base64
import builtins
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from orkee_jupyter.sandbox.errors import OrkeeError

from .. import transport
from ..record import SandboxRecord
from ..results import ExecResult, LineAssembler, not_understood
from .connection import AsyncConnection
from .defaults import async_default_connection
from .streams import AsyncExecStream, AsyncLogStream

if TYPE_CHECKING:
    from .client import AsyncClient

Command = str | Sequence[str]
_PAGE = 200  # sandboxes asked for at once


class AsyncSandbox(SandboxRecord):
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
        ports: Sequence[int] | None = None,
        env: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        ttl: str | float | None = None,
        command: Command | None = None,
        working_directory: str | None = None,
        on_progress: Callable[[str], object] | None = None,
        client: AsyncClient | None = None,
    ) -> Self:
        """Start a sandbox and return it when it is active.

        What is not given comes from the template. ``ttl`` is "30m", "2h" or seconds;
        ``on_progress`` gets a sentence for each step. Raises OrkeeError for whatever is wrong
        with the request, the image, the command or the engine.
        """
        body = {
            "template": template,
            "name": name,
            "image": image,
            "project": project,
            "ports": None if ports is None else list(ports),
            "env": None if env is None else dict(env),
            "labels": None if labels is None else dict(labels),
            "ttl": ttl,
            "command": None if command is None else to_command(command),
            "working_directory": working_directory,
        }
        wanted = {key: value for key, value in body.items() if value is not None}
        connection = connection_of(client)
        lines = connection.lines("POST", "sandbox", body=wanted, timeout=transport.CREATE)
        try:
            async for line in lines:
                if "sandbox" in line:
                    return cls(line["sandbox"], connection)
                if on_progress is not None and "progress" in line:
                    on_progress(str(line["progress"]))
        finally:
            await lines.aclose()
        raise connection.broken()

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
        stdin: bytes | str | None = None,
        timeout: float | None = None,
        on_output: Callable[[str, bytes], object] | None = None,
    ) -> ExecResult:
        """Run a command to its end and return its exit code and output.

        Text is run by ``sh -c``, a list as it is. ``timeout`` in seconds ends the command;
        ``on_output`` gets ``(stream, bytes)`` as it comes. A failing command is a result, not
        an error; OrkeeError is raised if it cannot run (``command_not_found``, …).
        """
        pieces: builtins.list[tuple[str, bytes]] = []
        async with self.stream(command, env=env, cwd=cwd, stdin=stdin, timeout=timeout) as stream:
            async for piece in stream:
                pieces.append(piece)
                if on_output is not None:
                    on_output(*piece)
        if stream.exit is None:
            raise self._connection.broken()
        return ExecResult.collect(pieces, stream.exit)

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


def sandbox_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``sandbox`` object of an answer."""
    data = answer.get("sandbox")
    if not isinstance(data, dict):
        raise not_understood()
    return data
