"""A secret is used in every way, and then looked for everywhere."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from orkee_jupyter.client import OrkeeError

from .kernels import Kernel
from .processes import command_line, pids, until
from .servers import TOKEN, Server


def holders(folder: Path, value: bytes) -> list[str]:
    """Return the files that hold a value, of the data, the logs, the sockets, the engine."""
    found = []
    for path in (Path(at, name) for at, _, names in os.walk(folder) for name in names):
        try:
            if path.is_file() and not path.is_symlink() and value in path.read_bytes():
                found.append(str(path))
        except OSError:
            continue  # it has gone, or is no file to be read
    return found


def answers(server: Server, sandbox: str) -> Iterator[str]:
    """Yield all that REST tells of a sandbox."""
    paths = ["", "/logs?format=raw", "/logs", "/events", "/processes", "/stats", "?x"]
    with httpx.Client(headers={"Authorization": f"token {TOKEN}"}, timeout=20) as http:
        for path in paths:
            yield http.get(f"{server.url}orkee/api/sandbox/{sandbox}{path}").text
        yield http.get(f"{server.url}orkee/api/sandbox").text
        for table in ("sessions", "events", "execs", "logs"):
            body = {"query": f"FROM {table}"}
            yield http.post(f"{server.url}orkee/api/sql", json=body).text


@pytest.mark.timeout(600)
def test_a_secret_is_nowhere_but_in_the_container(own_server: Callable[..., Server]) -> None:
    server = own_server("--OrkeeExtension.on_shutdown=pause")
    value = f"s3cret-{secrets.token_hex(12)}"
    show = "echo main $TOKEN; echo $TOKEN >&2; printf %s $TOKEN | cut -c1-9; exec sleep 1000"
    with server.client() as client:
        box = client.create(
            "debian", name="box", secrets={"TOKEN": value}, command=["sh", "-c", show]
        )
        assert box.exec(["sh", "-c", "echo $TOKEN | wc -c"]).stdout.strip() == str(len(value) + 1)
        assert box.exec("echo an $TOKEN; echo $TOKEN >&2").stdout == "an ***\n"
        assert box.exec(["echo", value]).stdout == "***\n"
        with pytest.raises(OrkeeError) as caught:
            box.exec([f"no-such-{value}"])
        box.pause().resume()
        until(lambda: "main ***" in list(box.logs()), 30)
        box.snapshot("kept")
        copy = box.fork("copy")
        assert copy.exec("echo $TOKEN").stdout == "***\n"
        copy.stop()
        assert holders(server.world.data / "snapshots", value.encode()) == []
        client.remove_snapshot("kept")
        shown = [repr(box), json.dumps(box.data), *answers(server, box.id)]
        assert [text for text in shown if value in text] == []
        assert "***" in "".join(shown)
        lines = {command_line(pid) for pid in pids() if pid != os.getpid()}
        assert [line for line in lines if value in line] == []
        assert str(caught.value.code) == "command_not_found"
    server.stop()
    server.start()
    with server.client() as client:
        box = client.get("box")
        with pytest.raises(OrkeeError) as caught:
            box.resume()
        assert (caught.value.code, box.refresh().status) == ("secret_missing", "paused")
        box.resume(secrets={"TOKEN": value})
        assert box.exec("echo $TOKEN").stdout == "***\n"
        box.stop()
    server.stop()
    assert holders(server.world.folder, value.encode()) == []
    assert value not in server.log()


def test_a_notebook_does_not_show_a_secret(direct: Server, tmp_path: Path) -> None:
    value = f"s3cret-{secrets.token_hex(12)}"
    (tmp_path / "key").write_text(value + "\n")
    with Kernel(direct) as kernel:
        create = f"%sandbox create debian --name hush --secret TOKEN=file:{tmp_path / 'key'}"
        ran = [
            kernel.run(f"box = {create}\nbox"),
            kernel.run("%%sandbox run hush\necho the $TOKEN"),
            kernel.run("%sandbox exec hush -- printenv TOKEN"),
            kernel.run("%sandbox list"),
            kernel.run("%sandbox stop hush"),
        ]
        assert [each.status for each in ran] == ["ok"] * 5
        assert "the ***" in ran[1].text("stdout")
        assert value not in repr(ran)
