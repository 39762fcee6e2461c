"""Real Jupyter servers, each a process with a database of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from orkee_jupyter.client import Client
from orkee_jupyter.client.discovery import is_live

from .processes import kill, until
from .world import ROOT, World

START = 60.0  # seconds that a server may take on a busy machine
STOP = 30.0
TOKEN = "token-of-the-tests"


class Server:
    """``jupyter server`` with the extension, as a user would start it."""

    #: The module that is run.
    program = "jupyter_server"
    #: 0: one that is free.
    port = 0

    def __init__(
        self,
        world: World,
        name: str,
        *options: str,
        env: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        database: Path | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        self.world = world
        self.name = name
        self.project = world.folder / "projects" / name
        self.project.mkdir(exist_ok=True)
        self.database = database or self.project / "sandboxes.duckdb"
        self.log_path = self.project / "server.log"
        self.env = world.env | {"ORKEE_LAG_LIMIT": "0.05"} | dict(env or {})
        self._options = options
        self._prefix = list(prefix)
        self._stdin = stdin
        self._process: subprocess.Popen[bytes] | None = None
        self._facts: dict[str, Any] = {}

    # -- its life --------------------------------------------------------

    def launch(self) -> None:
        """Start the process without waiting for it."""
        command = [
            *self._prefix,
            *(sys.executable, "-m", self.program, "--allow-root", "--no-browser"),
            *(f"--ServerApp.port={self.port}", f"--ServerApp.root_dir={self.root}"),
            f"--IdentityProvider.token={TOKEN}",
            f"--OrkeeExtension.database={self.database}",
            "--OrkeeExtension.on_shutdown=stop",  # the next test wants an engine without remains
            *self._options,
        ]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=self._stdin,
                stdout=log,
                stderr=log,
                env=self.env,
                cwd=ROOT,
                start_new_session=True,
            )

    def start(self) -> Server:
        """Start the process and wait until it answers."""
        self.launch()
        self.wait_until_up()
        return self

    def wait_until_up(self) -> None:
        """Return once the server that was launched answers."""
        until(self._is_up, START, what=f"the server {self.name}")

    def _is_up(self) -> bool:
        assert self.process.poll() is None, self.log()
        facts = Path(self.env["JUPYTER_RUNTIME_DIR"]) / f"jpserver-{self.pid}.json"
        if not facts.exists() or not is_live(self.socket):
            return False
        try:
            self._facts = json.loads(facts.read_text())
        except ValueError:
            return False  # it is being written
        return True

    def signal(self, number: int) -> None:
        """Send a signal to the server's process alone."""
        os.kill(self.pid, number)

    def wait(self, seconds: float = STOP) -> int:
        """Return the exit code once the process has ended."""
        return self.process.wait(seconds)

    def kill(self) -> None:
        """End the process at once."""
        kill(self.pid)
        self.process.wait(STOP)

    def stop(self) -> None:
        """End the process in order if it runs."""
        if self._process is None or self._process.poll() is not None:
            return
        self.signal(signal.SIGTERM)
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    # -- what is known of it -----------------------------------------------

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the server was not started"
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def socket(self) -> Path:
        """Its unix socket."""
        return Path(self.env["XDG_RUNTIME_DIR"]) / "orkee" / f"server-{self.pid}.sock"

    @property
    def root(self) -> Path:
        """The folder that it shows."""
        return self.project

    @property
    def url(self) -> str:
        return str(self._facts["url"])

    def log(self) -> str:
        """Return what it has said."""
        return self.log_path.read_text(errors="replace")

    # -- ways in -------------------------------------------------------------

    def client(self) -> Client:
        """Return a client over TCP with the token."""
        return Client(self.url, TOKEN)

    def http(self) -> httpx.Client:
        """Return plain HTTP to the REST interface, for requests that no client would send."""
        return httpx.Client(
            base_url=f"{self.url}orkee/api/",
            headers={"Authorization": f"token {TOKEN}"},
            timeout=60.0,
            trust_env=False,
        )

    def rows(self, **filters: str) -> list[dict[str, Any]]:
        """Return the sandboxes that the server has, ended ones too."""
        with self.http() as http:
            answer = http.get("sandbox", params={"limit": "200", **filters})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["sandboxes"]
        return found

    def api(self, method: str, path: str) -> Any:
        """Return the answer of one of Jupyter's own interfaces."""
        request = urllib.request.Request(
            f"{self.url}api/{path}", method=method, headers={"Authorization": f"token {TOKEN}"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def cli(
        self, *words: str, stdin: bytes | None = None, timeout: float = 60.0
    ) -> subprocess.CompletedProcess[bytes]:
        """Run ``orkee`` against this server, as in a terminal of this Jupyter."""
        env = self.env | {"ORKEE_SOCKET": str(self.socket)}
        return subprocess.run(
            [sys.executable, "-m", "orkee_jupyter.cli", *words],
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            env=env,
            cwd=self.project,
            timeout=timeout,
            check=False,
        )
