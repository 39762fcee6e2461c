"""Cells that run in sandboxes, and commands with stdin, signals and a life of their own."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from orkee_jupyter.client import AsyncClient, OrkeeError, Sandbox

from .kernels import SOON, Kernel, Ran
from .packages import put_ipykernel
from .processes import command_line, commands_in, containers_of, until
from .servers import TOKEN, Server

#: A picture of one pixel, drawn by hand: the image has no library for it.
PICTURE = """
import struct, zlib
def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
class Picture:
    def _repr_png_(self):
        head = chunk(b'IHDR', struct.pack('>IIBBBBB', 1, 1, 8, 2, 0, 0, 0))
        data = chunk(b'IDAT', zlib.compress(bytes(4)))
        return b'\\x89PNG\\r\\n\\x1a\\n' + head + data + chunk(b'IEND', b'')
class Table:
    def _repr_html_(self):
        return '<table><tr><td>7</td></tr></table><script>parent.document.title = "x"</script>'
"""
DEAF = "trap '' INT; echo ready; while :; do sleep 0.1; done"


@pytest.fixture(scope="module", params=["direct", "forwarded"])
def kernel(request: pytest.FixtureRequest, servers: dict[str, Server]) -> Iterator[Kernel]:
    with Kernel(servers[request.param]) as made:
        yield made
        made.run("%sandbox stop --all")


def said(text: str, after: float = 0.0) -> object:
    """Return a condition: the cell wrote a text to stdout, ``after`` seconds ago."""
    seen: list[float] = []

    def condition(ran: Ran) -> bool:
        if text in ran.text("stdout") and not seen:
            seen.append(time.monotonic())
        return bool(seen) and time.monotonic() - seen[0] >= after

    return condition


# -- %%sandbox run -----------------------------------------------------------------------------


def test_a_cell_runs_in_a_sandbox_made_for_it_and_the_next_in_the_same(kernel: Kernel) -> None:
    first = kernel.run("%%sandbox run --lang bash\necho $((6 * 7)) > here; echo out; exit 3")
    assert (first.status, first.text("stdout")) == ("ok", "out\n")
    assert "Made sandbox" in first.text("stderr")
    assert "exit code 3" in first.only("execute_result")["data"]["text/plain"]
    second = kernel.run("%%sandbox run --into found\ncat here")
    assert (second.text("stdout"), second.text("stderr")) == ("", "")
    assert kernel.value("found") == "42\n"


@pytest.mark.parametrize(
    ("lang", "code", "shown"),
    [
        ("sh", "nosuch", "sh: 1: nosuch: not found"),
        ("python", "def f():\n    1 / 0\nf()", '  File "<cell>", line 3, in <module>\n    f()'),
        ("node", "\nthrow new Error('odd')", "[eval]:2"),
    ],
)
def test_errors_name_the_line_of_the_cell(kernel: Kernel, lang: str, code: str, shown: str) -> None:
    ran = kernel.run(f"%%sandbox run --lang {lang}\n{code}")
    assert shown in ran.text("stderr"), ran


def test_output_streams_while_the_cell_runs(kernel: Kernel) -> None:
    kernel.run("%%sandbox run --lang python\nprint('warm')")
    ran = kernel.run(
        "%%sandbox run --lang python\nimport time\nprint('first')\ntime.sleep(60)", said("first")
    )
    assert (ran.status, ran.seconds < SOON) == ("error", True), ran


def test_an_interrupt_is_sigint_for_the_group(kernel: Kernel) -> None:
    code = "%%sandbox run --lang bash\ntrap 'echo heard; exit 9' INT; echo ready; sleep 4714 & wait"
    ran = kernel.run(code, said("ready"))
    assert (ran.status, ran.seconds < SOON) == ("error", True), ran
    assert "heard\n" in ran.text("stdout")
    assert "the program ended with exit code 9" in ran.error[0]


def test_a_second_interrupt_kills_and_the_kernel_is_free(kernel: Kernel) -> None:
    kernel.run("%%sandbox run\ntrue")
    threading.Timer(6, kernel.interrupt).start()  # while the cell below runs on
    began = time.monotonic()
    ran = kernel.run(f"%%sandbox run\n{DEAF}", said("ready"))
    assert 5.9 < time.monotonic() - began < 30, ran
    assert "Interrupt once more to kill it" in ran.text("stderr")
    assert "by SIGKILL" in ran.error[0] or "was killed" in ran.error[0]
    assert kernel.run("print('free')").text("stdout") == "free\n"


def test_check_fails_the_cell_in_two_lines(kernel: Kernel) -> None:
    ran = kernel.run("%%sandbox run --check\necho said; exit 5")
    assert (ran.status, ran.text("stdout")) == ("error", "said\n")
    assert ran.error == [
        "The cell's code ended with exit code 5.",
        "What it said stands above. [command_failed]",
    ]


def test_run_all_stops_at_a_checked_cell_that_fails(direct: Server) -> None:
    cells = [
        "import os\nos.environ['ORKEE_SOCKET'] = " + repr(str(direct.socket)),
        "%load_ext orkee_jupyter\n%config SandboxMagics.check = True",
        "%%sandbox run --lang sh\nexit 6",
        "print('not reached')",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])
    with pytest.raises(CellExecutionError, match="exit code 6"):
        NotebookClient(book, timeout=60, kernel_name="python3").execute(env=direct.env)
    assert "outputs" in book.cells[3]
    assert book.cells[3].outputs == []
    for row in direct.rows(status="active"):
        with direct.client() as client:
            client.get(row["id"]).stop()


def test_a_stop_ends_a_running_cell_at_once_with_the_reason(
    kernel: Kernel, servers: dict[str, Server]
) -> None:
    server = kernel._server
    assert kernel.run("sb = %sandbox create debian --name ending").status == "ok"

    def stop() -> None:
        with server.client() as client:
            sandbox = client.get("ending")
            until(lambda: "sleep 60" in commands_in(sandbox.id), 30)
            sandbox.stop()

    timer = threading.Timer(0, stop)
    timer.start()
    began = time.monotonic()
    ran = kernel.run("%%sandbox run ending\nsleep 60")
    timer.join()
    assert (ran.status, time.monotonic() - began < 40) == ("error", True), ran
    assert "was stopped" in ran.error[0] or "is gone" in ran.error[0], ran.error


# -- %%sandbox python --------------------------------------------------------------------------


def test_one_interpreter_keeps_state_and_shows_pictures_and_tables(kernel: Kernel) -> None:
    first = kernel.run(f"%%sandbox python\nx = 40\n{PICTURE}")
    assert first.status == "ok", first
    assert "built-in interpreter" in first.text("stderr")
    assert "--install-kernel" in first.text("stderr")
    assert kernel.run("%%sandbox python\nx + 2").only("display_data")["data"] == {
        "text/plain": "42"
    }
    picture = kernel.run("%%sandbox python\nPicture()").only("display_data")["data"]
    assert picture["image/png"].startswith("iVBORw0KGgo")
    table = kernel.run("%%sandbox python\nTable()").only("display_data")["data"]["text/html"]
    assert table.startswith('<iframe sandbox="" ')
    assert "<script>" not in table


def test_an_error_inside_shows_its_traceback_and_fails_the_cell(kernel: Kernel) -> None:
    ran = kernel.run("%%sandbox python\ndef f():\n    return {}['k']\nf()")
    assert ran.status == "error"
    text = "\n".join(ran.error)
    assert "in f\n    return {}['k']" in text
    assert text.endswith("KeyError: 'k'")


def test_an_interrupt_reaches_the_interpreter_alone_and_keeps_its_state(kernel: Kernel) -> None:
    kernel.run(
        "%%sandbox python\nimport subprocess, time\ny = 1\np = subprocess.Popen(['sleep', '60'])"
    )
    ran = kernel.run("%%sandbox python\nprint('ready')\ntime.sleep(60)", said("ready"))
    assert (ran.status, ran.seconds < SOON) == ("error", True), ran
    assert ran.error[-1] == "KeyboardInterrupt"
    after = kernel.run("%%sandbox python\nalive = p.poll() is None\np.kill()\n(y, alive)")
    assert after.only("display_data")["data"]["text/plain"] == "(1, True)"


def test_a_real_ipykernel_is_used_where_the_sandbox_has_one(direct: Server) -> None:
    env = {"PYTHONPATH": "/opt/ipykernel", "LD_LIBRARY_PATH": "/opt/ipykernel/lib"}
    with direct.client() as client, client.create("python", name="real", env=env) as sandbox:
        version = "{}.{}".format(*sys.version_info[:2])
        if version not in sandbox.run("import sys; print(sys.version)", check=True).stdout:
            pytest.skip("its compiled modules are for another Python")
        put_ipykernel(sandbox, "/opt/ipykernel")
        with Kernel(direct) as kernel:
            first = kernel.run("%%sandbox python real\nx = 40\n!echo from a shell\n%time x + 2")
            assert first.status == "ok", first
            assert "ipykernel" in first.text("stderr")
            assert "in the sandbox (Python" in first.text("stderr")
            assert "from a shell" in first.text("stdout")
            assert kernel.run("%%sandbox python real\nx").only("display_data")["data"] == {
                "text/plain": "40"
            }
            sleeping = "%%sandbox python real\nimport time\nprint('ready')\ntime.sleep(60)"
            ran = kernel.run(sleeping, said("ready"))
            assert (ran.status, ran.seconds < SOON) == ("error", True), ran
            assert "KeyboardInterrupt" in ran.error[-1]
            assert kernel.run("%%sandbox python real\nx").status == "ok"


def test_an_interpreter_ends_with_its_kernel(direct: Server) -> None:
    with Kernel(direct) as doomed:
        assert doomed.run("sb = %sandbox create python --name lab").status == "ok"
        assert doomed.run("%%sandbox python lab\nx = 1").status == "ok"
        (row,) = direct.rows(name="lab", status="active")
        running = lambda: any("_orkee" in c or "-u -c" in c for c in  # noqa: E731
                              map(command_line, containers_of([row["id"]])))  # fmt: skip
        assert running()
    until(lambda: not running(), 10)
    with direct.client() as client:
        client.get("lab").stop()


# -- popen, stdin, background ------------------------------------------------------------------


def test_a_dialogue_over_stdin_and_stdout(sandbox: Sandbox) -> None:
    with sandbox.popen("while read x; do echo got $x; done", stdin=True, text=True) as process:
        for word in ("one", "two"):
            process.write(f"{word}\n")
            assert next(process) == ("stdout", f"got {word}\n")
        process.end_stdin()
        assert process.wait().exit_code == 0


def test_stdin_beyond_a_bodys_bound_arrives_whole(sandbox: Sandbox) -> None:
    pieces = (bytes([number % 256]) * 65536 for number in range(512))  # 32 MiB
    assert sandbox.exec(["wc", "-c"], stdin=pieces).stdout.strip() == str(512 * 65536)


def test_the_command_line_streams_its_stdin(server: Server, sandbox: Sandbox) -> None:
    data = bytes(range(256)) * 40_000
    done = server.cli("sandbox", "exec", sandbox.id, "--", "cat", stdin=data)
    assert (done.returncode, done.stdout == data) == (0, True)


def test_a_command_whose_container_dies_returns_at_once_with_the_reason(
    client: object, sandbox: Sandbox
) -> None:
    process = sandbox.popen(["sleep", "60"])
    began = time.monotonic()
    stopping = threading.Timer(0.2, sandbox.stop)
    stopping.start()
    with pytest.raises(OrkeeError) as caught:
        process.wait()
    assert caught.value.code == "sandbox_lost"
    assert time.monotonic() - began < 5
    stopping.join()


@pytest.mark.asyncio
async def test_the_async_client_has_the_same(server: Server) -> None:
    async with AsyncClient(server.url, TOKEN) as client, await client.create("python") as sandbox:
        result = await sandbox.run("print(input()[::-1])", stdin="abc\n", check=True)
        assert result.stdout == "cba\n"
        with pytest.raises(OrkeeError) as caught:
            await sandbox.run("import sys; sys.exit('broken')", check=True)
        assert caught.value.details["lines"] == ["broken"]
        async with await sandbox.popen(["cat"], stdin=True) as process:
            await process.write(b"x")
            assert await anext(process) == ("stdout", b"x")


def test_a_detached_command_is_listed_attached_to_and_signalled(
    server: Server, sandbox: Sandbox
) -> None:
    process = sandbox.detach(
        "trap 'echo bye; exit 4' TERM; echo there; while :; do sleep 0.1; done"
    )
    assert [each.pid for each in sandbox.processes() if each.kind == "detached"] == [process.pid]
    stream = process.attach()
    assert next(stream) == ("stdout", b"there\n")
    stream.close()
    listed = server.cli("sandbox", "ps", sandbox.id).stdout.decode()
    assert f"{process.pid}" in listed
    assert server.cli("sandbox", "kill", sandbox.id, str(process.pid)).returncode == 0
    attached = server.cli("sandbox", "attach", sandbox.id, str(process.pid))
    assert (attached.returncode, attached.stdout) == (4, b"there\nbye\n")
