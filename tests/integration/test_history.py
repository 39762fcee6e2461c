"""What is kept of the past, over the end of sandboxes and servers."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest

from orkee_jupyter.client import OrkeeError

from .kernels import Kernel
from .processes import until
from .servers import Server


def test_the_past_of_an_ended_sandbox_is_there_after_a_kill_of_the_server(
    own_server: Callable[..., Server],
) -> None:
    server = own_server()
    token = secrets.token_hex(8)
    with server.client() as client:
        command = ["sh", "-c", "echo began; echo oops >&2; sleep 60"]
        box = client.create("debian", name="box", env={"TOKEN": token}, command=command)
        box.exec(["sh", "-c", f"echo {token}; exit 3"])
        box.exec("true", env={"OWN": token})
        with pytest.raises(OrkeeError):
            box.exec(["no-such-command"])
        box.stop()
        until(lambda: client.sql("SELECT 1 FROM events WHERE event = 'terminated'").rows)
    server.kill()
    server.start()
    with server.client() as client:
        assert sorted(line.strip() for line in client.get("box").logs()) == ["began", "oops"]
        lines = client.sql("SELECT text FROM logs SEMI JOIN sessions ON id = sandbox_id")
        assert {text for (text,) in lines} == {"began", "oops"}
        execs = client.sql("SELECT status, exit_code, error, command FROM execs ORDER BY started")
        assert [row[:3] for row in execs] == [
            ("ended", 3, None),
            ("ended", 0, None),
            ("failed", None, "command_not_found"),
        ]
        assert "TOKEN" in execs.rows[0][3]
        moves = client.sql("SELECT event FROM events WHERE event <> 'step' ORDER BY time").rows
        assert [event for (event,) in moves][:2] == ["created", "active"]
        assert moves[-1] == ("terminated",)
        everything = [client.sql(f"FROM {name}").rows for name in ("sessions", "events", "execs")]
        assert token not in str(everything)


def test_a_command_under_way_when_the_server_dies_has_an_unknown_end(
    own_server: Callable[..., Server],
) -> None:
    server = own_server()
    with server.client() as client:
        box = client.create("debian")
        box.popen("sleep 60")
        until(lambda: client.sql("SELECT 1 FROM execs WHERE status = 'running'").rows)
    server.kill()
    server.start()
    with server.client() as client:
        assert client.sql("SELECT status FROM execs").rows == (("unknown",),)
        client.get(box.id).stop()


def test_a_notebook_gets_a_data_frame(direct: Server) -> None:
    with Kernel(direct) as kernel:
        kernel.run("%sandbox create debian --name asked")
        kernel.run("%sandbox exec asked -- echo hi")
        ran = kernel.run(
            "frame = %sandbox sql SELECT e.command, e.exit_code FROM execs e "
            "JOIN sessions s ON s.id = e.sandbox_id WHERE s.name = 'asked'"
        )
        assert ran.status == "ok"
        ran = kernel.run("print(type(frame).__module__, frame.values.tolist())")
        assert "pandas" in ran.text("stdout")
        assert "['echo hi', 0]" in ran.text("stdout")
        kernel.run("%sandbox stop asked")
