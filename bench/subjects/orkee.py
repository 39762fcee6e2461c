"""This project: a Jupyter server with the extension for each link, used by its own client."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from orkee_jupyter.client import Client, Sandbox
from orkee_jupyter.client.discovery import from_socket
from tests.integration.servers import TOKEN, Server
from tests.integration.world import World

from .. import programs
from . import Box, Subject, Unusable


class OrkeeBox(Box):
    """A sandbox."""

    def __init__(self, sandbox: Sandbox, server: Server) -> None:
        self.sandbox = sandbox
        self._server = server

    def exec(self, *command: str) -> None:
        result = self.sandbox.exec(command)
        assert result.exit_code == 0, result

    def popen(self, *command: str) -> None:
        """Run a command over a websocket of its own."""
        with self.sandbox.popen(command) as process:
            assert process.wait().exit_code == 0

    def rest(self, way: str) -> Callable[[], None]:
        """Return what runs ``true`` by REST on a connection that is kept; way: unix or tcp."""
        return Rest(self._server, way).runner(self.sandbox.id)

    def follow(self) -> Iterator[bytes]:
        with self.sandbox.log_entries(follow=True) as entries:
            for entry in entries:
                assert entry.stream != "dropped", "output was lost"
                yield entry.data

    def address(self) -> tuple[str, int]:
        url = urlsplit(self.sandbox.refresh().host_url or "")
        assert url.hostname, "the sandbox's port is not on the host"
        assert url.port
        return url.hostname, url.port

    def push(self, source: Path, name: str) -> None:
        self.sandbox.push(source, name)

    def pull(self, name: str, target: Path) -> None:
        self.sandbox.pull(name, target)

    def stop(self) -> None:
        self.sandbox.stop()


class Rest:
    """The REST interface with nothing of ours on this side: the library's HTTP, kept open."""

    def __init__(self, server: Server, way: str) -> None:
        self._headers = {"Content-Type": "application/json"}
        if way == "unix":
            self._connection: http.client.HTTPConnection = _Unix(server.socket)
            self._base = "/orkee/api/"
        else:
            parts = urlsplit(server.url)
            assert parts.hostname
            self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
            self._headers["Authorization"] = f"token {TOKEN}"
            self._base = f"{parts.path}orkee/api/"

    def call(self, method: str, path: str, body: object = None) -> bytes:
        """Return an answer's body."""
        data = None if body is None else json.dumps(body)
        self._connection.request(method, self._base + path, data, self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status < 300, content
        return content

    def runner(self, sandbox_id: str) -> Callable[[], None]:
        """Return what runs ``true`` in a sandbox."""

        def run() -> None:
            content = self.call("POST", f"sandbox/{sandbox_id}/exec", {"command": ["true"]})
            assert b'"exit_code":0' in content, content

        return run


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("orkee", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self._path))


class Orkee(Subject):
    """One of the two links."""

    link = ""

    def __init__(self, world: World) -> None:
        self.world = world
        self.server = Server(
            world,
            f"bench-{self.link}",
            f"--OrkeeExtension.link={self.link}",
            "--OrkeeExtension.max_sandboxes=100",
            env={"ORKEE_LAG_LIMIT": "0"},
        )
        self._client: Client | None = None

    def open(self) -> None:
        self.server.start()
        self._client = Client(f"unix://{from_socket(self.server.socket).socket}")
        try:
            self.start(programs.SLEEP).stop()  # starts Dagger's session, unpacks the image
        except Exception as error:
            self.close()
            raise Unusable(str(error)) from error

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        self.server.stop()

    def start(self, command: Sequence[str], *, port: int | None = None) -> OrkeeBox:
        assert self._client is not None
        ports = None if port is None else [port]
        # Without a command the container waits for those of exec; the others need one for that.
        given = list(command) or None
        sandbox = self._client.create("debian", command=given, ports=ports)
        return OrkeeBox(sandbox, self.server)

    def processes(self) -> dict[str, list[int]]:
        engine = self.world.engine_status().get("pid")
        return {
            f"Jupyter server with Dagger's session, {self.link}": [self.server.pid],
            "native engine with its containers": [engine] if isinstance(engine, int) else [],
        }


class OrkeeDirect(Orkee):
    """The direct link."""

    name = "orkee direct"
    link = "direct"
    can = frozenset({"start", "exec", "rest", "follow", "port", "files", "many", "history"})


class OrkeeForwarded(Orkee):
    """The forwarded link."""

    name = "orkee forwarded"
    link = "forwarded"
    share = 0.125
    can = frozenset({"start", "exec", "rest", "follow", "port", "files", "many"})
