"""The async face: the same, awaited."""

from __future__ import annotations

import asyncio

import pytest

from orkee_jupyter.client import AsyncClient, AsyncSandbox, OrkeeError

from .stub_server import TOKEN, StubServer

pytestmark = pytest.mark.asyncio


async def test_a_sandbox_is_made_used_and_stopped(stub: StubServer) -> None:
    stub.logs = [{"seq": 1, "time": 1.0, "stream": "stdout", "text": "a\nb"}]
    async with await AsyncSandbox.create("node", name="web") as sandbox:
        result = await sandbox.exec("echo hi")
        assert (result.exit_code, result.stdout) == (0, "hi\n")
        assert [line async for line in sandbox.logs(follow=True)] == ["a", "b"]
        assert [piece async for piece in sandbox.stream("echo x")] == [("stdout", b"x\n")]
        assert (await AsyncSandbox.get("web")).id == sandbox.id
        assert [found.id for found in await AsyncSandbox.list()] == [sandbox.id]
        assert (await sandbox.refresh()) is sandbox
    assert sandbox.status == "terminated"


async def test_many_commands_run_at_once(stub: StubServer) -> None:
    sandbox = await AsyncSandbox.create()
    results = await asyncio.gather(*(sandbox.exec(f"echo {n}") for n in range(20)))
    assert [result.stdout for result in results] == [f"{n}\n" for n in range(20)]


async def test_cancelling_an_exec_ends_the_command(stub: StubServer) -> None:
    sandbox = await AsyncSandbox.create()
    begun = asyncio.Event()
    task = asyncio.create_task(
        sandbox.exec("echo; exec sleep 600", on_output=lambda *_: begun.set())
    )
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(stub.exec_ended.wait, 10)


async def test_a_client_over_tcp_asks_the_rest(stub: StubServer) -> None:
    async with AsyncClient(stub.url, TOKEN) as client:
        assert (await client.templates())[0]["name"] == "node"
        assert (await client.engine())["chosen"] == "native"
        assert await client.clean() == []
        sandbox = await client.create()
        assert (await client.get(sandbox.id)).id == sandbox.id
        assert len(await client.list()) == 1


async def test_errors_have_their_codes(stub: StubServer) -> None:
    with pytest.raises(OrkeeError) as caught:
        await AsyncSandbox.get("ffff")
    assert caught.value.code == "sandbox_not_found"
