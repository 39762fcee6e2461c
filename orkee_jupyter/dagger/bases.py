"""What sandboxes are started from: an image with its setup layers, made once a session."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagger

from .failures import translate

PULL_TIMEOUT = 900.0  # seconds, for an image or one setup command
#: How long a resolved image is taken for the newest of its tag.
FRESH = 600.0  # seconds


@dataclass(frozen=True, slots=True)
class Base:
    """A prepared root file system, by the engine's id of it."""

    container: dagger.ContainerID
    user: str  # of the image; "" for root
    has_workdir: bool
    made: float  # monotonic seconds


_Wish = tuple[str, tuple[str, ...], str]  # image, setup, working directory


class _News:
    """The steps of one piece of work, told to all who wait for it, however late they came."""

    def __init__(self) -> None:
        self._step: str | None = None
        self._listeners: list[Callable[[str], None]] = []

    def tell(self, step: str) -> None:
        self._step = step
        for listener in self._listeners:
            listener(step)

    @contextmanager
    def told_to(self, listener: Callable[[str], None]) -> Iterator[None]:
        if self._step is not None:
            listener(self._step)
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)


class Bases:
    """The bases of one session; equal wishes at one time are one piece of work."""

    def __init__(self, client: dagger.Client) -> None:
        self._client = client
        self._tasks: dict[_Wish, asyncio.Task[Base]] = {}
        self._news: dict[_Wish, _News] = {}

    async def get(
        self, image: str, setup: tuple[str, ...], workdir: str, progress: Callable[[str], None]
    ) -> Base:
        """Return the base, pulling and building what is missing.

        Raises OrkeeError ``unknown_image``, ``setup_failed``, ``disk_full``, ``engine_*``.
        """
        wish = (image, setup, workdir)
        task = self._tasks.get(wish)
        if task is None or (task.done() and not _fresh(task)):
            news = self._news[wish] = _News()
            task = asyncio.get_running_loop().create_task(self._make(wish, news.tell))
            task.add_done_callback(_retrieve)
            self._tasks[wish] = task
        if task.done():
            return task.result()
        with self._news[wish].told_to(progress):
            return await asyncio.shield(task)

    async def _make(self, wish: _Wish, progress: Callable[[str], None]) -> Base:
        image, setup, workdir = wish
        progress(f"pulling {image}")
        try:
            async with asyncio.timeout(PULL_TIMEOUT):
                container = await self._client.container().from_(image).sync()
        except (dagger.DaggerError, TimeoutError, OSError) as error:
            raise translate(error, image=image) from error
        for number, command in enumerate(setup, 1):
            progress(f"setup {number} of {len(setup)}: {command[:60]}")
            try:
                async with asyncio.timeout(PULL_TIMEOUT):
                    container = await container.with_exec(["sh", "-c", command]).sync()
            except (dagger.DaggerError, TimeoutError, OSError) as error:
                raise translate(error) from error
        try:
            async with asyncio.timeout(60.0):
                identity, user, has_workdir = await asyncio.gather(
                    container.id(),
                    container.user(),
                    container.exists(workdir, expected_type=dagger.ExistsType.DIRECTORY_TYPE),
                )
        except (dagger.DaggerError, TimeoutError, OSError) as error:
            raise translate(error) from error
        owner = "" if user in ("0", "root", "0:0", "root:root") else user
        return Base(identity, owner, has_workdir, time.monotonic())


def _retrieve(task: asyncio.Task[Base]) -> None:
    """Look at a failure, for those who asked may all have gone."""
    if not task.cancelled():
        task.exception()


def _fresh(task: asyncio.Task[Base]) -> bool:
    if task.cancelled() or task.exception() is not None:
        return False
    return time.monotonic() - task.result().made < FRESH
