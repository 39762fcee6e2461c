"""A sandbox's life on the real engine: pause and resume, more time, a stop taken back."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest

from orkee_jupyter.client import Client, OrkeeError, Sandbox

from .engine_view import contents
from .kernels import Kernel
from .processes import containers_of, until
from .servers import Server
from .world import World

COUNT = (
    "const fs = require('fs'), n = Number(fs.existsSync('n') ? fs.readFileSync('n') : 0) + 1;"
    "fs.writeFileSync('n', String(n));"
    "require('http').createServer((q, r) => r.end(process.env.WHO + ' ' + n)).listen(3000);"
)


def page(sandbox: Sandbox) -> str:
    return httpx.get(sandbox.url(3000), trust_env=False, timeout=10).text


def test_a_resumed_sandbox_has_its_files_its_port_and_its_command_again(client: Client) -> None:
    with client.create(
        "node", ports=[3000], env={"WHO": "ada"}, command=["node", "-e", COUNT], wait="port:3000"
    ) as sandbox:
        identity, url = sandbox.id, sandbox.url(3000)
        assert page(sandbox) == "ada 1"
        sandbox.files.write("kept/file.txt", "still here", mode=0o640)
        for round_ in (2, 3):
            assert sandbox.pause().status == "paused"
            assert (sandbox.reason, sandbox.port_map, sandbox.host_url) == ("paused", [], None)
            with pytest.raises(OrkeeError, match="resume"):
                sandbox.exec(["true"])
            steps: list[str] = []
            sandbox.resume(on_progress=steps.append)
            sandbox.wait_for("port:3000")
            assert (sandbox.id, sandbox.url(3000)) == (identity, url)
            assert page(sandbox) == f"ada {round_}"
            assert sandbox.files.read_text("kept/file.txt") == "still here"
            assert sandbox.files.stat("kept/file.txt").mode == 0o640
            assert any("container" in step for step in steps)


def test_a_template_that_fills_the_workspace_does_not_fill_it_again(
    server: Server, client: Client
) -> None:
    folder = server.project / ".orkee" / "templates"
    folder.mkdir(parents=True, exist_ok=True)
    Path(folder, "refilled.toml").write_text(
        'image = "debian:bookworm-slim"\nsetup = ["mkdir -p /app", "echo image > /app/x"]'
    )
    with client.create("refilled") as sandbox:
        sandbox.exec("rm x; echo mine > y")
        sandbox.pause().resume()
        assert sandbox.exec("ls").stdout == "y\n"


def test_limits_hold_after_a_resume_too(client: Client) -> None:
    with client.create("debian", memory="64m") as sandbox:
        sandbox.pause().resume()
        assert set(sandbox.enforced) == {"memory"}
        with pytest.raises(OrkeeError) as caught:
            sandbox.exec("head -c 200m /dev/zero | tail")
        assert caught.value.code == "limit_exceeded"


def test_a_log_begins_anew_and_the_old_container_is_gone(client: Client) -> None:
    command = ["sh", "-c", "echo began; sleep 600"]
    with client.create("debian", command=command, wait="log:began") as sandbox:
        first = sandbox.exec("cat /proc/sys/kernel/random/boot_id; touch /tmp/mark").ok
        assert first
        sandbox.pause().resume().wait_for("log:began")
        assert list(sandbox.logs()) == ["began"]
        assert not sandbox.exec("test -e /tmp/mark").ok, "only the workspace stays"


def test_what_the_server_left_when_it_was_killed_can_be_resumed(own_server: object) -> None:
    server: Server = own_server()  # type: ignore[operator]
    with server.client() as client:
        sandbox = client.create("debian", env={"WHO": "ada"}, name="left")
        sandbox.files.write("x", "1")
    server.kill()
    server.start()
    with server.client() as client:
        found = client.get("left")
        assert found.status == "paused"
        found.resume()
        assert found.exec("cat x; echo $WHO").stdout == "1ada\n"
        found.stop()


def test_what_a_server_that_stops_had_running_can_be_resumed(own_server: object) -> None:
    server: Server = own_server("--OrkeeExtension.on_shutdown=pause")  # type: ignore[operator]
    with server.client() as client:
        sandbox = client.create("debian", name="kept")
        sandbox.files.write("x", "1")
    server.stop()
    until(lambda: not containers_of([sandbox.id]), 20)
    server.start()
    with server.client() as client:
        found = client.get("kept")
        assert (found.status, found.reason) == ("paused", "server stopped")
        assert found.resume().files.read_text("x") == "1"
        found.stop()


def test_what_is_not_used_any_more_can_be_paused_by_the_reaper(direct: Server) -> None:
    with direct.client() as client:
        sandbox = client.create("debian", ttl=3, on_expiry="pause")
        sandbox.files.write("x", "1")
        until(lambda: client.clean() or sandbox.refresh().status == "paused", 20)
        assert (sandbox.reason, sandbox.on_expiry) == ("expired", "pause")
        assert sandbox.resume().files.read_text("x") == "1"
        sandbox.stop()
    refused = direct.cli("sandbox", "create", "debian", "--on-expiry", "sleep")
    assert refused.returncode != 0
    assert b"Give 'stop' or 'pause'." in refused.stderr


def test_an_engine_that_died_takes_no_files_along(own_server: object, world: World) -> None:
    server: Server = own_server()  # type: ignore[operator]
    with server.client() as client, client.create("debian") as sandbox:
        sandbox.files.write("x", "1")
        sandbox.pause()
        world.stop_engine()
        until(lambda: client.engine()["session"] is None, 10)
        sandbox.resume()
        assert sandbox.files.read_text("x") == "1"


def test_a_stop_of_a_paused_sandbox_empties_its_workspace(client: Client, world: World) -> None:
    sandbox = client.create("debian")
    sandbox.files.write("x", "1")
    sandbox.pause()
    assert contents(world, sandbox.id) == {sandbox.id: ["x"]}
    sandbox.stop()
    assert contents(world, sandbox.id) == {sandbox.id: []}


def test_a_stop_can_be_taken_back_until_it_comes(client: Client) -> None:
    sandbox = client.create("debian")
    assert sandbox.stop_later(60).stop_at is not None
    assert sandbox.exec(["true"]).ok, "until then it works"
    assert sandbox.keep().stop_at is None
    began = time.monotonic()
    sandbox.stop_later(1)
    until(lambda: sandbox.refresh().status == "terminated", 20)
    assert time.monotonic() - began > 1
    with pytest.raises(OrkeeError) as caught:
        sandbox.keep()
    assert caught.value.code == "sandbox_not_active"


def test_a_sandbox_is_extended_and_not_beyond_its_timeout(client: Client) -> None:
    with client.create("debian", ttl=60, timeout="10m") as sandbox:
        assert sandbox.extend("5m").expires_at >= time.time() + 290
        with pytest.raises(OrkeeError, match="timeout"):
            sandbox.extend("1h")


def test_the_command_line_pauses_resumes_and_extends(direct: Server) -> None:
    with direct.client() as client, client.create("debian", name="cli-life") as sandbox:
        paused = direct.cli("sandbox", "pause", "cli-life")
        assert b"is paused" in paused.stdout, paused.stderr
        refused = direct.cli("sandbox", "exec", "cli-life", "--", "true")
        assert b"orkee sandbox resume cli-life" in refused.stderr
        resumed = direct.cli("sandbox", "resume", "cli-life", "--json")
        assert json.loads(resumed.stdout)["status"] == "active", resumed.stderr
        assert b"ends in" in direct.cli("sandbox", "extend", "cli-life", "3h").stdout
        assert sandbox.refresh().expires_at > time.time() + 10_000


def test_the_magic_pauses_resumes_and_extends(direct: Server) -> None:
    with Kernel(direct) as kernel:
        assert kernel.run("sb = %sandbox create debian --name magic-life").status == "ok"
        assert kernel.run("%sandbox pause magic-life").status == "ok"
        assert direct.rows(name="magic-life")[0]["status"] == "paused"
        assert kernel.run("sb = %sandbox resume _").status == "ok"
        assert kernel.run("%sandbox extend magic-life 3h").status == "ok"
        row = direct.rows(name="magic-life")[0]
        assert (row["status"], row["expires_at"] > time.time() + 10_000) == ("active", True)
        assert kernel.run("%sandbox stop magic-life").status == "ok"


def test_many_rounds_leave_no_descriptor_behind(direct: Server) -> None:
    with direct.client() as client, client.create("debian") as sandbox:
        sandbox.pause().resume()
        files = Path(f"/proc/{direct.pid}/fd")
        before = sum(1 for _ in files.iterdir())
        for _ in range(5):
            sandbox.pause().resume()
        until(lambda: sum(1 for _ in files.iterdir()) <= before + 2, 10)
