"""The containers of one session: definition, start, end, and emptying of workspaces.

A definition holds only what containers of a kind share, plus what makes it
unique: equal definitions are one service to Dagger.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagger

from ..sandbox.errors import OrkeeError
from ..sandbox.ports import ContainerDefinition
from .bases import Base, Bases
from .failures import translate

START_TIMEOUT = 60.0  # seconds, once the image is there
STOP_TIMEOUT = 20.0
CHECK_TIMEOUT = 10.0
_NOWHERE = "NO_SUCH_VARIABLE_OF_ORKEE"
EMPTY_TIMEOUT = 60.0
#: Starts under way at once: more do not finish sooner on an ordinary machine.
PARALLEL = 4
#: How long to wait for more workspaces to empty in one go: a container each costs 0.3 s.
_GATHER = 0.02
_BATCH = 50

# Where sandboxd, its socket and its token lie in every container.
DAEMON = "/run/orkee/sandboxd"
SOCKET = "/run/orkee/link.sock"
TOKEN = "/run/orkee/token"  # noqa: S105 (a path)
#: Where a workspace lies while it is filled, beside the image's own folder.
WORKSPACE = "/run/orkee/workspace"


@dataclass(frozen=True, slots=True)
class _Started:
    """A service that runs, and the name that the engine knows it by."""

    service: dagger.Service
    host_name: asyncio.Task[str]


class Containers:
    """Starts and ends the services of one session; used in the SDK's thread only."""

    def __init__(self, client: dagger.Client, daemon: Callable[[str], Path]) -> None:
        self._client = client
        self._bases = Bases(client)
        self._daemon_path = daemon
        self._daemon: asyncio.Task[dagger.FileID] | None = None
        self._slots = asyncio.Semaphore(PARALLEL)
        self._still = asyncio.Lock()
        self._starting: dict[str, asyncio.Task[_Started]] = {}
        self._running: dict[str, dagger.Service] = {}
        self._to_empty: list[tuple[str, asyncio.Future[None]]] = []
        self._emptying: asyncio.Task[None] | None = None

    def ids(self) -> list[str]:
        """Return the ids of all sandboxes that have a container, or are about to."""
        return [*self._running, *self._starting]

    async def check(self) -> None:
        """Ask the engine for something of this session; raises OrkeeError ``engine_lost``.

        An engine that was started anew knows the session's name and no more, and still answers.
        Only a healthy session gets as far as to look for a variable, which is not there.
        """
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                await self._client.secret(f"env://{_NOWHERE}").plaintext()
        except dagger.QueryError as error:
            if _NOWHERE not in str(error) and "not found" not in str(error):
                raise OrkeeError("engine_lost", "The Dagger engine was started anew.") from error
        except (dagger.DaggerError, TimeoutError, OSError) as error:
            raise translate(error) from error

    async def start(
        self,
        definition: ContainerDefinition,
        progress: Callable[[str], None],
        wanted: Callable[[], bool] = lambda: True,
    ) -> str:
        """Start a container and return the host name that the engine knows it by.

        ``wanted`` is asked once the image is there: a sandbox may have been given up meanwhile.
        """
        base = await self._bases.get(
            definition.image, definition.setup, definition.working_directory, progress
        )
        if not wanted():
            raise OrkeeError("sandbox_lost", "The sandbox was stopped while it was started.")
        progress("starting the container")
        sandbox = definition.sandbox_id
        task = asyncio.get_running_loop().create_task(self._bring_up(definition, base))
        self._starting[sandbox] = task
        # Whoever waits here may be cancelled; what was started is known even so.
        task.add_done_callback(lambda task: self._started(sandbox, task))
        try:
            return await (await asyncio.shield(task)).host_name
        except (dagger.DaggerError, TimeoutError, OSError) as error:
            raise translate(error) from error

    def _started(self, sandbox: str, task: asyncio.Task[_Started]) -> None:
        self._starting.pop(sandbox, None)
        if not task.cancelled() and task.exception() is None:
            self._running[sandbox] = task.result().service

    async def _bring_up(self, definition: ContainerDefinition, base: Base) -> _Started:
        container = await self._define(definition, base)
        async with self._slots:
            filled = definition.fresh and (base.has_workdir or base.user != "")
            if filled:
                await self._fill(definition, base)
            try:
                async with asyncio.timeout(START_TIMEOUT):
                    return await _start(container.as_service(args=_command(definition)))
            except BaseException:
                if filled:  # without a container nobody else knows that something is in there
                    with contextlib.suppress(Exception):
                        await self.empty(definition.sandbox_id)
                raise

    async def _fill(self, definition: ContainerDefinition, base: Base) -> None:
        """Fill a new workspace from the image and give it to the image's user.

        A cache volume's own ``source`` and ``owner`` would make it another volume, one for
        each state of the image: not found again by who empties it or resumes the sandbox.
        """
        client = self._client
        container = (
            client.load_container_from_id(base.container)
            .with_user("0")
            .with_mounted_cache(WORKSPACE, _workspace(client, definition.sandbox_id))
            .with_mounted_file(DAEMON, client.load_file_from_id(await self._daemon_file()))
            .with_env_variable("ORKEE_ONCE", secrets.token_hex(8))
        )
        words = [DAEMON, "fill", definition.working_directory, WORKSPACE, base.user]
        try:
            async with asyncio.timeout(EMPTY_TIMEOUT):
                await container.with_exec(words).sync()
        except dagger.ExecError as error:
            if "no space left on device" in error.stderr:
                raise translate(error) from error
            raise OrkeeError(
                "engine_failed",
                f"The workspace could not be filled from the image: {error.stderr.strip()}.",
                "Choose another working directory.",
            ) from error

    async def _define(self, definition: ContainerDefinition, base: Base) -> dagger.Container:
        client, endpoint, sandbox = self._client, definition.endpoint, definition.sandbox_id
        root = client.load_container_from_id(base.container)
        workdir = definition.working_directory
        token = client.set_secret(f"orkee-{sandbox}", endpoint.token)
        container = (
            root.with_mounted_cache(workdir, _workspace(client, sandbox))
            .with_workdir(workdir)
            .with_mounted_file(DAEMON, client.load_file_from_id(await self._daemon_file()))
            .with_mounted_secret(TOKEN, token, owner=base.user, mode=0o400)
            .with_env_variable("ORKEE_SANDBOX_ID", sandbox)
        )
        if endpoint.socket_path is not None:
            socket = client.host().unix_socket(endpoint.socket_path)
            container = container.with_unix_socket(SOCKET, socket, owner=base.user)
        return container

    async def _daemon_file(self) -> dagger.FileID:
        """Return sandboxd's binary as the engine has it; uploaded once a session."""
        if self._daemon is None or (
            self._daemon.done() and (self._daemon.cancelled() or self._daemon.exception())
        ):
            self._daemon = asyncio.get_running_loop().create_task(self._upload())
            self._daemon.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._daemon)

    async def _upload(self) -> dagger.FileID:
        try:
            async with asyncio.timeout(START_TIMEOUT):
                platform = str(await self._client.default_platform())
                path = self._daemon_path(platform.split("/")[1])
                return await self._client.host().file(str(path)).id()
        except (dagger.DaggerError, TimeoutError, OSError) as error:
            raise translate(error) from error

    async def stop(self, sandbox: str) -> None:
        """End a container at once, also one whose start is still under way."""
        starting = self._starting.get(sandbox)
        if starting is not None:
            await asyncio.wait({starting})
            await asyncio.sleep(0)  # and what it started is known
        service = self._running.get(sandbox)
        if service is None:
            return
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await service.stop(kill=True)
        except (dagger.DaggerError, TimeoutError, OSError) as error:
            raise translate(error) from error
        self._running.pop(sandbox, None)  # only now: a stop that failed can be tried again

    @contextlib.asynccontextmanager
    async def standstill(self) -> AsyncIterator[None]:
        """Have no container start meanwhile: between its steps nothing holds its workspace."""
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._still)
            for _ in range(PARALLEL):
                await stack.enter_async_context(self._slots)
            yield

    async def hold(self, sandboxes: Sequence[str]) -> dagger.Service:
        """Start a container that has workspaces mounted, so that they are in use; return it."""
        client = self._client
        container = client.container().with_mounted_file(
            DAEMON, client.load_file_from_id(await self._daemon_file())
        )
        for number, sandbox in enumerate(sandboxes):
            container = container.with_mounted_cache(f"/w/{number}", _workspace(client, sandbox))
        once = container.with_env_variable("ORKEE_ONCE", secrets.token_hex(8))
        return await once.as_service(args=[DAEMON, "hold"]).start()

    async def empty(self, sandbox: str) -> None:
        """Empty a workspace; those asked for at about one time are done in one container."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._to_empty.append((sandbox, done))
        if self._emptying is None or self._emptying.done():
            self._emptying = loop.create_task(self._empty_all())
        await done

    async def _empty_all(self) -> None:
        await asyncio.sleep(_GATHER)
        while self._to_empty:
            batch, self._to_empty = self._to_empty[:_BATCH], self._to_empty[_BATCH:]
            try:
                async with asyncio.timeout(EMPTY_TIMEOUT):
                    await self._empty_batch([sandbox for sandbox, _ in batch])
            except Exception as error:  # whatever it is, nobody may wait for ever
                for _, done in batch:
                    if not done.done():
                        done.set_exception(translate(error))
            for _, done in batch:
                if not done.done():
                    done.set_result(None)

    async def _empty_batch(self, sandboxes: list[str]) -> None:
        client = self._client
        # No image: sandboxd itself empties the folders, so no registry is asked.
        container = client.container().with_mounted_file(
            DAEMON, client.load_file_from_id(await self._daemon_file())
        )
        for number, sandbox in enumerate(sandboxes):
            container = container.with_mounted_cache(f"/w/{number}", _workspace(client, sandbox))
        once = secrets.token_hex(8)  # else the engine answers from its cache
        await (
            container.with_env_variable("ORKEE_ONCE", once)
            .with_exec([DAEMON, "empty", *(f"/w/{n}" for n in range(len(sandboxes)))])
            .sync()
        )


async def _start(service: dagger.Service) -> _Started:
    """Start a service. Its name, a query as long as a tenth of the start, is asked meanwhile."""
    named = asyncio.get_running_loop().create_task(service.hostname())
    named.add_done_callback(lambda task: task.cancelled() or task.exception())
    try:
        return _Started(await service.start(), named)
    except BaseException:
        named.cancel()
        raise


def _workspace(client: dagger.Client, sandbox: str) -> dagger.CacheVolume:
    return client.cache_volume(f"orkee-workspace-{sandbox}")


def _command(definition: ContainerDefinition) -> list[str]:
    endpoint = definition.endpoint
    where = ["-socket", SOCKET] if endpoint.address is None else ["-address", endpoint.address]
    return [DAEMON, *where, "-token-file", TOKEN]
