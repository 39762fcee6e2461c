"""The thread with an event loop: calls, their cancellation, and the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from orkee_jupyter.dagger.loop_thread import LoopThread
from orkee_jupyter.sandbox.errors import OrkeeError

pytestmark = pytest.mark.usefixtures("no_lost_errors")
NAME = "orkee-test-loop"


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name == NAME]


@pytest_asyncio.fixture
async def thread() -> AsyncIterator[LoopThread]:
    made = LoopThread(NAME)
    yield made
    await made.close()
    assert threads() == []


async def cancelled_call(thread: LoopThread, inner: list[str], fail: bool) -> threading.Event:
    """Cancel a call in its middle; return what lets the inner coroutine go on."""
    begun, go, ended = asyncio.Event(), threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    async def work() -> None:
        loop.call_soon_threadsafe(begun.set)
        await asyncio.to_thread(go.wait)
        inner.append("done")
        loop.call_soon_threadsafe(ended.set)
        if fail:
            raise ValueError("nobody waits for this")

    call = asyncio.create_task(thread.call(work()))
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    go.set()
    return ended


@pytest.mark.asyncio
async def test_a_call_gives_the_result_from_another_thread(thread: LoopThread) -> None:
    async def name() -> str:
        return threading.current_thread().name

    assert await thread.call(name()) == NAME


@pytest.mark.asyncio
async def test_a_failure_comes_to_the_caller(thread: LoopThread) -> None:
    async def fail() -> None:
        raise ValueError("it failed")

    with pytest.raises(ValueError, match="it failed"):
        await thread.call(fail())


@pytest.mark.asyncio
@pytest.mark.parametrize("fail", [False, True])
async def test_what_a_cancelled_caller_began_is_finished(thread: LoopThread, fail: bool) -> None:
    inner: list[str] = []
    ended = await cancelled_call(thread, inner, fail)
    await asyncio.to_thread(ended.wait, 5)
    assert inner == ["done"]


@pytest.mark.asyncio
async def test_a_close_tells_those_who_wait_that_the_engine_is_lost() -> None:
    thread = LoopThread(NAME)
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def work() -> None:
        loop.call_soon_threadsafe(begun.set)
        await asyncio.Event().wait()

    call = asyncio.create_task(thread.call(work()))
    await begun.wait()
    await thread.close()
    with pytest.raises(OrkeeError) as caught:
        await call
    assert caught.value.code == "engine_lost"
    assert threads() == []


@pytest.mark.asyncio
async def test_a_close_ends_what_an_ending_task_begins() -> None:
    thread = LoopThread(NAME)
    ended: list[str] = []

    async def later() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("later")

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            thread.kept = asyncio.create_task(later())  # type: ignore[attr-defined]
            await asyncio.sleep(0)

    async def begin() -> None:
        thread.first = asyncio.create_task(work())  # type: ignore[attr-defined]
        await asyncio.sleep(0)

    await thread.call(begin())
    await thread.close()
    assert ended == ["later"]


@pytest.mark.asyncio
async def test_a_closed_thread_is_not_started_again(thread: LoopThread) -> None:
    await thread.close()
    await thread.close()

    async def work() -> None: ...

    with pytest.raises(OrkeeError, match="stopping"):
        await thread.call(work())
    assert threads() == []


def test_a_call_may_outlive_the_loop_of_its_caller(caplog: pytest.LogCaptureFixture) -> None:
    thread, inner = LoopThread(NAME), list[str]()
    asyncio.run(_begin_and_leave(thread, inner))
    asyncio.run(thread.close())
    assert inner == ["done"]
    assert caplog.records == []


async def _begin_and_leave(thread: LoopThread, inner: list[str]) -> None:
    ended = await cancelled_call(thread, inner, fail=True)
    await asyncio.to_thread(ended.wait, 5)
