"""One thread owns the connection: whatever is done with the database is done there."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import duckdb

from ..sandbox.errors import OrkeeError
from . import failures
from .database import Database

T = TypeVar("T")
Work = Callable[[duckdb.DuckDBPyConnection], T]

BATCH: Final = 32  # operations that share one checkpoint at most


@dataclass(frozen=True, slots=True)
class _Job:
    work: Work[Any]
    future: Future[Any]
    durable: bool


class Writer:
    """Runs work in its thread, in the order in which it was submitted."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._closing: asyncio.Future[None] | None = None
        self._ended: Future[None] = Future()
        # A daemon: a server that forgot to close must still be able to exit, and whatever was
        # acknowledged is on disk already.
        self._thread = threading.Thread(target=self._run, name="orkee-store", daemon=True)
        self._thread.start()

    async def submit(self, work: Work[T], *, durable: bool = False) -> T:
        """Return what ``work(connection)`` returns; ``durable`` waits for a checkpoint after it.

        The connection is opened at the first call, and anew after an error that makes it
        useless. Raises OrkeeError; nothing of DuckDB's passes.
        Cancelled before its turn, the work is not done.
        """
        if self._closing is not None:
            raise OrkeeError("store_failed", "The database is closed.", "Start the server again.")
        future: Future[T] = Future()
        self._jobs.put(_Job(work, future, durable))
        return await asyncio.wrap_future(future)

    async def close(self) -> None:
        """Finish what was submitted, close the file, end the thread. May be called twice."""
        if self._closing is None:
            self._jobs.put(None)
            self._closing = asyncio.wrap_future(self._ended)
        await asyncio.shield(self._closing)
        self._thread.join()

    def _run(self) -> None:
        try:
            while self._run_batch():
                pass
            if self._connection is not None:
                self._database.finish(self._connection)
            else:
                self._database.release()
        except BaseException as error:
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)

    def _run_batch(self) -> bool:
        """Run what is done, with one checkpoint for all of it; False at the end of the queue."""
        done: list[tuple[Future[Any], Any]] = []
        job = self._jobs.get()
        count = 0
        while job is not None:
            self._perform(job, done)
            count += 1
            if count == BATCH or self._jobs.empty():  # nobody else takes from the queue
                break
            job = self._jobs.get()
        self._settle(done)
        return job is not None

    def _perform(self, job: _Job, done: list[tuple[Future[Any], Any]]) -> None:
        if not job.future.set_running_or_notify_cancel():
            return
        try:
            result = self._work(job.work)
        except Exception as error:
            job.future.set_exception(self._translated(error))
        else:
            if job.durable:
                done.append((job.future, result))
            else:
                job.future.set_result(result)

    def _work(self, work: Work[T], *, again: bool = True) -> T:
        if self._connection is None:
            self._connection = self._database.connect()
        try:
            return work(self._connection)
        except duckdb.Error as error:
            damaged = failures.shows_damage(error)
            if damaged or failures.is_fatal(error):
                self._drop()
            if not (damaged and again):
                raise
        # Built anew from its rows, the file may well do.
        self._database.suspect()
        return self._work(work, again=False)

    def _settle(self, done: list[tuple[Future[Any], Any]]) -> None:
        if done and self._connection is not None and not self._database.settle(self._connection):
            self._drop()
        for future, result in done:
            future.set_result(result)

    def _translated(self, error: Exception) -> Exception:
        if isinstance(error, OrkeeError) or not isinstance(error, duckdb.Error | OSError):
            return error
        translated = failures.translate_error(error, self._database.path)
        translated.__cause__ = error
        return translated

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._database.abandon(connection)
