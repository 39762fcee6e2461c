"""The containers of one session: definition, start, end, and emptying of workspaces.

A definition holds only what containers of a kind share, plus what makes it
unique: equal definitions are one service to Dagger.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from pathlib import Path

import dagger

from ..sandbox.ports import ContainerDefinition
from .bases import Base, Bases
from .failures import translate

START_TIMEOUT = 60.0  # seconds, once the image is there
STOP_TIMEOUT = 20.0
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


class Containers:
    """Starts and ends the services of one session; used in the SDK's thread only."""

    def __init__(self, client: dagger.Client, daemon: Callable[[str], Path]) -> None:
        self._client = client
        self._bases = Bases(client)
        self._daemon_path = daemon
        self._daemon: asyncio.Task[dagger.FileID] | None = None
        self._slots = asyncio.Semaphore(PARALLEL)
        self._starting: dict[str, asyncio.Task[dagger.Service]] = {}
        self._running: dict[str, dagger.Service] = {}
        self._to_empty: list[tuple[str, asyncio.Future[None]]] = []
        self._emptying: asyncio.Task[None] | None = None

    def ids(self) -> list[str]:
        """Return the ids of all sandboxes that have a container, or are about to."""
        return [*self._running, *self._starting]

    async def start(self, definition: ContainerDefinition, progress: Callable[[str], None]) -> str:
        """Start a container and return the host name that the engine knows it by."""
        base = await self._bases.get(
            definition.image, definition.setup, definition.working_directory, progress
        )
        progress("starting the container")
        sandbox = definition.sandbox_id
        service = (await self._define(definition, base)).as_service(args=_command(definition))
        task = asyncio.get_running_loop().create_task(self._start_service(service))
        self._starting[sandbox] = task
        try:
            self._running[sandbox] = await asyncio.shield(task)
            return await self._running[sandbox].hostname()
        except (dagger.DaggerError, TimeoutError, OSError) as error:
            raise translate(error) from error
        finally:
            self._starting.pop(sandbox, None)

    async def _start_service(self, service: dagger.Service) -> dagger.Service:
        async with self._slots, asyncio.timeout(START_TIMEOUT):
            return await service.start()

    async def _define(self, definition: ContainerDefinition, base: Base) -> dagger.Container:
        client, endpoint, sandbox = self._client, definition.endpoint, definition.sandbox_id
        root = client.load_container_from_id(base.container)
        workdir = definition.working_directory
        # Filled from the image where that has the folder: a cache volume starts empty.
        source = root.directory(workdir) if base.has_workdir else None
        token = client.set_secret(f"orkee-{sandbox}", endpoint.token)
        container = (
            root.with_mounted_cache(workdir, _workspace(client, sandbox), source=source)
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
            with contextlib.suppress(Exception):
                self._running[sandbox] = await asyncio.shield(starting)
        service = self._running.pop(sandbox, None)
        if service is None:
            return
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await service.stop(kill=True)
        except (dagger.DaggerError, TimeoutError, OSError) as error:
            raise translate(error) from error

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
            except (dagger.DaggerError, TimeoutError, OSError) as error:
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


def _workspace(client: dagger.Client, sandbox: str) -> dagger.CacheVolume:
    return client.cache_volume(f"orkee-workspace-{sandbox}")


def _command(definition: ContainerDefinition) -> list[str]:
    endpoint = definition.endpoint
    where = ["-socket", SOCKET] if endpoint.address is None else ["-address", endpoint.address]
    return [DAEMON, *where, "-token-file", TOKEN]
