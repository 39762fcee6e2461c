"""The magics and the client in a real kernel of the real server."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from .kernels import SOON, Kernel, Ran
from .processes import commands_in, until
from .servers import Server

COUNTING = "sh -c 'while :; do echo tick; sleep 0.1; done'"


@pytest.fixture(scope="module")
def kernel(servers: dict[str, Server]) -> Iterator[Kernel]:
    with Kernel(servers["direct"]) as made:
        yield made


def ticked(ran: Ran) -> bool:
    return "tick" in ran.text("stdout")


def test_a_kernel_finds_its_own_server(kernel: Kernel, direct: Server) -> None:
    assert kernel.value("__import__('os').environ['ORKEE_SOCKET']") == str(direct.socket)


def test_create_exec_list_and_stop(kernel: Kernel, direct: Server) -> None:
    made = kernel.run("sb = %sandbox create debian --name cell --port 8000 --env A=b")
    assert made.status == "ok", made
    assert kernel.value("[sb.status, sb.ports]") == ["active", [8000]]
    ran = kernel.run("%sandbox exec cell -- sh -c 'echo out $A; echo err >&2; exit 3'")
    assert (ran.text("stdout"), ran.text("stderr")) == ("out b\n", "err\n")
    shown = kernel.run("code = %sandbox exec _ -- sh -c 'exit 3'\nint(code) if code else code")
    assert shown.status == "ok", shown
    listed = kernel.run("%sandbox list").only("execute_result")["data"]
    assert "cell" in listed["text/plain"]
    assert "cell" in listed["text/html"]
    assert direct.rows(name="cell", status="active")
    assert kernel.run("%sandbox stop cell").status == "ok"
    assert not direct.rows(name="cell", status="active")


def test_an_interrupt_ends_following_and_leaves_kernel_and_sandbox(
    kernel: Kernel, direct: Server
) -> None:
    assert kernel.run(f"sb = %sandbox create debian --name ticking -- {COUNTING}").status == "ok"
    ran = kernel.run("%sandbox logs ticking -f", ticked)
    assert (ran.status, ran.seconds < SOON) == ("ok", True), ran
    assert kernel.run("print('free')").text("stdout") == "free\n"
    assert direct.rows(name="ticking")[0]["status"] == "active"
    assert kernel.run("%sandbox exec ticking -- true").status == "ok"
    assert kernel.run("%sandbox stop ticking").status == "ok"


def test_an_interrupt_ends_a_command_and_not_the_sandbox(kernel: Kernel, direct: Server) -> None:
    assert kernel.run("sb = %sandbox create debian --name busy").status == "ok"
    ran = kernel.run("%sandbox exec busy -- sh -c 'echo tick; exec sleep 4712'", ticked)
    assert (ran.status, ran.seconds < SOON) == ("error", True), ran
    sandbox = direct.rows(name="busy")[0]
    until(lambda: "sleep 4712" not in commands_in(sandbox["id"]), 5)
    assert sandbox["status"] == "active"
    assert kernel.run("%sandbox stop busy").status == "ok"


def test_the_end_of_a_followed_command_is_told(kernel: Kernel) -> None:
    script = "sh -c 'echo one; echo two >&2; sleep 0.5; exit 4'"
    assert kernel.run(f"sb = %sandbox create debian -- {script}").status == "ok"
    ran = kernel.run("%sandbox logs _ -f")
    assert ran.text("stdout") == "one\n"
    assert ran.text("stderr").startswith("two\n")
    assert "exit code 4" in ran.text("stderr")
    assert kernel.run("%sandbox stop _").status == "ok"


def test_python_code_has_the_same_as_a_context_manager(kernel: Kernel, direct: Server) -> None:
    ran = kernel.run(
        "from orkee_jupyter import Sandbox\n"
        "with Sandbox.create('debian', name='ctx') as sb:\n"
        "    r = sb.exec(['sh', '-c', 'echo hi'])\n"
        "    print(r.exit_code, r.stdout, end='')"
    )
    assert ran.text("stdout") == "0 hi\n", ran
    assert direct.rows(name="ctx")[0]["status"] == "terminated"


def test_the_async_client_works_in_a_cell(kernel: Kernel, direct: Server) -> None:
    ran = kernel.run(
        "import asyncio\n"
        "from orkee_jupyter.client import AsyncSandbox\n"
        "async def one(n):\n"
        "    async with await AsyncSandbox.create('debian', command=['seq', '3']) as sb:\n"
        "        r = await sb.exec('echo ' + n)\n"
        "        return r.stdout.strip(), [line async for line in sb.logs(follow=True)]\n"
        "print(await asyncio.gather(one('a'), one('b')))"
    )
    assert ran.text("stdout") == "[('a', ['1', '2', '3']), ('b', ['1', '2', '3'])]\n", ran
    assert not direct.rows(status="active")


def test_what_comes_from_inside_is_escaped(kernel: Kernel) -> None:
    evil = "<script>alert(1)</script>"
    assert kernel.run(f"sb = %sandbox create debian --label 'x={evil}'").status == "ok"
    data = kernel.run("sb").only("execute_result")["data"]
    assert evil not in data["text/html"]
    assert kernel.run("%sandbox stop _").status == "ok"


def test_kill_9_of_a_kernel_leaves_its_sandbox(direct: Server) -> None:
    with Kernel(direct) as doomed:
        assert doomed.run("sb = %sandbox create debian --name survivor").status == "ok"
        os.kill(doomed.value("__import__('os').getpid()"), signal.SIGKILL)
        with direct.client() as client:
            sandbox = client.get("survivor")
            assert sandbox.exec(["echo", "alive"]).stdout == "alive\n"
            assert sandbox.stop().status == "terminated"


def test_kill_9_of_a_kernel_ends_the_command_that_it_ran(direct: Server) -> None:
    with direct.client() as client, client.create("debian", name="used") as sandbox:
        with Kernel(direct) as doomed:
            pid = doomed.value("__import__('os').getpid()")
            doomed.begin("%sandbox exec used -- sleep 4713")
            until(lambda: "sleep 4713" in commands_in(sandbox.id), 10)
            os.kill(pid, signal.SIGKILL)
            until(lambda: "sleep 4713" not in commands_in(sandbox.id), 5)
        assert sandbox.exec(["true"]).ok
