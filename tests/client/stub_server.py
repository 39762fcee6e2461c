"""A small real HTTP server that speaks the REST contract, over a unix socket and TCP.

It holds no containers: a "sandbox" is a dictionary, its commands run on this machine. Tests set
its attributes to make it break in chosen places.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import socket
import tempfile
import threading
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets, bind_unix_socket
from tornado.web import Application, RequestHandler

from orkee_jupyter.problems import to_problem
from orkee_jupyter.sandbox.errors import OrkeeError

from .stub_exec import ExecSocket

TOKEN = "stub-token"


#: A template that cannot be used, as the server tells it.
PROBLEM = {
    "code": "invalid_template",
    "detail": "The template bad.toml has an error.",
    "remedy": "Correct it.",
}
#: An engine's status, as the server gives it.
ENGINE = {
    "version": "0.19.10",
    "chosen": "native",
    "runner_host": "unix:///run/engine.sock",
    "remedy": None,
    "candidates": [
        {"kind": "native", "usable": True, "reason": "runs", "runner_host": None},
        {"kind": "docker", "usable": False, "reason": "docker is not installed"},
    ],
    "native": {"state": "ready", "network": "slirp4netns"},
}


class StubServer:
    """Runs in a thread of its own; use as a context manager."""

    def __init__(self, socket_path: Path, base_url: str = "/") -> None:
        self.socket_path = socket_path
        self.base_url = base_url
        self.sandboxes: dict[str, dict[str, Any]] = {}
        self.logs: list[dict[str, Any]] = []
        self.log_end: str | None = "exited"  # None: the follower waits for ever
        self.break_log_after: list[int] = []  # entries sent before each connection breaks
        self.break_create = False
        # A short name, for sockets are made below it.
        self._scratch = tempfile.TemporaryDirectory(prefix="orkee-stub-")
        self.scratch = self._scratch.name  # the TMPDIR of every command
        self.files = socket_path.parent / "stub-files"  # of every sandbox
        self.break_files = False
        self.archive = b""  # what a pull gives, in place of the files
        self.fail_start: OrkeeError | None = None
        self.break_exec = False
        self.lose_exec = False
        self.messages: list[dict[str, Any]] = []  # of websockets
        self.processes: list[dict[str, Any]] = [
            {"pid": 71, "command": ["sleep", "9"], "kind": "detached", "started": 1.0, "exit": None}
        ]
        self.fail_create: OrkeeError | None = None
        self.fail_wait: OrkeeError | None = None
        self.silent = False  # never answers
        self.requests: list[tuple[str, str, Any]] = []
        self.page_size = 2
        self.exec_ended = threading.Event()
        self.log_left = threading.Event()
        self.commands: set[asyncio.Task[Any]] = set()
        self.asked: list[dict[str, Any]] = []  # the bodies of queries
        self.cut = False  # the answers to queries are
        self.url = ""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> StubServer:
        self.files.mkdir(exist_ok=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._scratch.cleanup()

    def close(self) -> None:
        """End the server. May be called twice."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()
        self.socket_path.unlink(missing_ok=True)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        from . import stub_files, stub_lifecycle, stub_ports, stub_stats

        routes = [
            (r"orkee/api/sandbox", Collection),
            (r"orkee/api/sandbox/([^/]+)", Item),
            (r"orkee/api/sandbox/([^/]+)/logs", Logs),
            (r"orkee/api/sandbox/([^/]+)/exec", Exec),
            (r"orkee/api/sandbox/([^/]+)/processes", Processes),
            (r"orkee/api/sandbox/([^/]+)/processes/[0-9]+/signal", Processes),
            (r"orkee/api/sandbox/([^/]+)/processes/[0-9]+/attach", Attach),
            (r"orkee/api/sandbox/([^/]+)/start", stub_files.Start),
            (r"orkee/api/sandbox/([^/]+)/stats", stub_stats.Stats),
            (r"orkee/api/sandbox/([^/]+)/(pause|resume|extend|keep)", stub_lifecycle.Verb),
            (r"orkee/api/sandbox/([^/]+)/files", stub_files.Files),
            (r"orkee/api/sandbox/([^/]+)/files/content", stub_files.Content),
            (r"orkee/api/sandbox/([^/]+)/files/archive", stub_files.Archive),
            (r"orkee/api/sandbox/([^/]+)/files/watch", stub_files.Watch),
            (r"orkee/api/sandbox/([^/]+)/ports/([0-9]+)/link", stub_ports.Link),
            (r"orkee/api/sandbox/([^/]+)/wait", stub_ports.Wait),
            (r"orkee/api/(clean|templates|engine)", Rest),
            (r"orkee/api/sql", stub_lifecycle.Sql),
        ]
        app = Application(
            [(prefix + path, handler, {"stub": self}) for prefix in {"/", self.base_url}
             for path, handler in routes]
        )  # fmt: skip
        server = HTTPServer(app)
        tcp = bind_sockets(0, "127.0.0.1", family=socket.AF_INET)
        unix = bind_unix_socket(str(self.socket_path), mode=0o600)
        server.add_sockets([*tcp, unix])
        self.url = f"http://127.0.0.1:{tcp[0].getsockname()[1]}{self.base_url}"
        self._ready.set()
        await self._stop.wait()
        server.stop()
        await server.close_all_connections()
        if self.commands:
            await asyncio.wait(self.commands)

    def add(self, **facts: Any) -> dict[str, Any]:
        """Add an active sandbox and return its REST object."""
        number = len(self.sandboxes) + 1
        sandbox: dict[str, Any] = {
            "id": f"{number:04x}" * 8, "short_id": f"{number:04x}" * 3, "name": None,
            "status": "active", "reason": None, "step": None, "exit_code": None,
            "template": "node", "image": "node:18-alpine", "user_id": "me", "project_id": None,
            "provider": "dagger", "container_id": "c1", "host_url": "http://127.0.0.1:40000",
            "ports": [3000], "working_directory": "/app", "command": None, "env": [],
            "labels": {}, "ttl": 3600, "link": "direct", "created_at": 1_700_000_000,
            "last_active_at": 1_700_000_000, "expires_at": 1_700_003_600,
        }  # fmt: skip
        sandbox.update(facts)
        self.sandboxes[sandbox["id"]] = sandbox
        return sandbox

    def find(self, ref: str) -> dict[str, Any]:
        """Return the sandbox of a reference as the real server would."""
        found = [s for s in self.sandboxes.values() if s["name"] == ref or s["id"].startswith(ref)]
        if not found:
            raise OrkeeError("sandbox_not_found", f"There is no sandbox {ref}.", "List them.")
        if len(found) > 1:
            raise OrkeeError("ambiguous_id", f"{ref} begins two ids.", "Give more digits.")
        return found[0]


class Base(RequestHandler):
    def initialize(self, stub: StubServer) -> None:
        self.stub = stub
        self.gone = asyncio.Event()
        self.writing = asyncio.Lock()

    async def prepare(self) -> None:
        has_json = self.request.body and self.request.method != "PUT"
        body: Any = json.loads(self.request.body) if has_json else None
        self.stub.requests.append((self.request.method or "", self.request.uri or "", body))
        self.body: Any = body
        if self.stub.silent:
            await self.gone.wait()
        local = self.connection().context.address_family == socket.AF_UNIX
        if not local and self.request.headers.get("Authorization") != f"token {TOKEN}":
            self.set_status(403)
            self.finish({"message": "Forbidden"})

    def connection(self) -> Any:
        return self.request.connection

    def on_connection_close(self) -> None:
        self.gone.set()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1]
        if isinstance(error, OrkeeError):
            problem = to_problem(error)
            self.set_status(problem["status"])
            self.set_header("Content-Type", "application/problem+json")
            self.finish(json.dumps(problem))
        else:
            self.finish({"message": "Not found" if status_code == 404 else "failed"})

    def log_exception(self, *_: Any) -> None:
        """Stay quiet: the client's test says what it saw."""

    async def line(self, value: object) -> None:
        # Tornado forgets the future of a flush when another one begins or the client leaves.
        async with self.writing:
            if self.gone.is_set():
                return
            self.write(json.dumps(value) + "\n")
            waits: list[asyncio.Future[Any]] = [
                asyncio.ensure_future(self.flush()),
                asyncio.create_task(self.gone.wait()),
            ]
            done, left = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in left:
                wait.cancel()
            try:
                for wait in done:
                    wait.result()
            except StreamClosedError:
                self.gone.set()

    def break_off(self) -> None:
        self.connection().stream.close()


class Collection(Base):
    async def post(self) -> None:
        if self.body.get("template") == "nope":
            raise OrkeeError("unknown_template", "There is no template nope.", "Use node.")
        self.set_header("Content-Type", "application/x-ndjson")
        await self.line({"progress": "pulling node:18-alpine"})
        self.write("\n")  # a heartbeat
        await self.line({"progress": "starting \u2028 the container"})
        if self.stub.break_create:
            return self.break_off()
        if self.stub.fail_create:
            return await self.line(to_problem(self.stub.fail_create))
        facts = {k: v for k, v in self.body.items() if k in ("name", "template", "ports", "labels")}
        await self.line({"success": True, "sandbox": self.stub.add(**facts)})

    def get(self) -> None:
        found = list(self.stub.sandboxes.values())
        if statuses := self.get_query_argument("status", None):
            found = [s for s in found if s["status"] in statuses.split(",")]
        for label in self.get_query_arguments("label"):
            key, _, value = label.partition("=")
            found = [s for s in found if s["labels"].get(key) == value]
        start = int(self.get_query_argument("cursor", "0"))
        end = start + self.stub.page_size
        following = str(end) if end < len(found) else None
        self.write({"success": True, "sandboxes": found[start:end], "next": following})


class Item(Base):
    def get(self, ref: str) -> None:
        self.write({"success": True, "sandbox": self.stub.find(ref)})

    def delete(self, ref: str) -> None:
        sandbox = self.stub.find(ref)
        if sandbox["status"] == "terminated":
            raise OrkeeError("sandbox_not_active", "It has ended.", "Make a new one.")
        sandbox["status"] = "terminated"
        self.write({"success": True, "sandbox": sandbox})


class Logs(Base):
    async def get(self, ref: str) -> None:
        self.stub.find(ref)
        after = int(self.get_query_argument("after", "0"))
        entries = [e for e in self.stub.logs if e["seq"] > after]
        if (tail := self.get_query_argument("tail", None)) is not None:
            entries = entries[-int(tail) :]
        limit = self.stub.break_log_after.pop(0) if self.stub.break_log_after else None
        for number, entry in enumerate(entries):
            if number == limit:
                return self.break_off()
            await self.line(entry)
        follow = self.get_query_argument("follow", None)
        if follow and self.stub.log_end is None:
            await self.gone.wait()
            self.stub.log_left.set()
            return
        await self.line({"end": self.stub.log_end if follow else "complete"})


class Exec(ExecSocket, Base):
    async def get(self, ref: str) -> None:  # type: ignore[override]
        self.stub.find(ref)
        await self.serve(ref)

    def on_connection_close(self) -> None:
        Base.on_connection_close(self)
        if self.ws_connection:
            ExecSocket.on_connection_close(self)

    async def post(self, ref: str) -> None:
        sandbox = self.stub.find(ref)
        if sandbox["status"] != "active":
            raise OrkeeError("sandbox_not_active", "It has ended.", "Make a new one.")
        body = self.body
        if body.get("detach"):
            return await self.line({"pid": 71})
        try:
            process = await asyncio.create_subprocess_exec(
                *body["command"],
                env={**os.environ, **body.get("env", {})},
                cwd=body.get("cwd"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except FileNotFoundError:
            cause = f"{body['command'][0]} is not in the image."
            raise OrkeeError("command_not_found", cause, "Install it.") from None
        task = asyncio.current_task()
        assert task is not None
        self.stub.commands.add(task)
        leaver = asyncio.create_task(self._kill_when_gone(process))
        try:
            await self._run(process, body)
        except StreamClosedError:
            self.gone.set()
        finally:
            if self.gone.is_set():
                await leaver
            leaver.cancel()
            # First, or wait() waits for the end of a pipe that nobody reads any more.
            process._transport.close()  # type: ignore[attr-defined]
            await process.wait()
            self.stub.exec_ended.set()
            self.stub.commands.discard(task)

    async def _kill_when_gone(self, process: asyncio.subprocess.Process) -> None:
        await self.gone.wait()
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)

    async def _run(self, process: asyncio.subprocess.Process, body: dict[str, Any]) -> None:
        await self.line({"pid": process.pid})
        if self.stub.break_exec:
            os.killpg(process.pid, signal.SIGKILL)
            return self.break_off()
        given = body.get("stdin", "").encode() or base64.b64decode(body.get("stdin_base64", ""))
        assert process.stdin is not None
        process.stdin.write(given)
        process.stdin.close()
        timed_out = False
        pumps = [self._pump("stdout", process.stdout), self._pump("stderr", process.stderr)]
        try:
            await asyncio.wait_for(asyncio.gather(*pumps), body.get("timeout"))
        except TimeoutError:
            timed_out = True
            os.killpg(process.pid, signal.SIGTERM)
        code = await process.wait()
        name = signal.Signals(-code).name.removeprefix("SIG") if code < 0 else None
        end = {"exit_code": 128 - code if code < 0 else code, "signal": name}
        await self.line({**end, "timed_out": timed_out, "duration": 0.25})

    async def _pump(self, stream: str, pipe: Any) -> None:
        while data := await pipe.read(16384):
            try:
                await self.line({"stream": stream, "text": data.decode()})
            except UnicodeDecodeError:
                await self.line({"stream": stream, "base64": base64.b64encode(data).decode()})


class Processes(Base):
    def get(self, ref: str) -> None:
        self.stub.find(ref)
        self.write({"success": True, "processes": self.stub.processes})

    def post(self, ref: str) -> None:
        """Take a signal; the pid is in the request's path."""
        if "/71/" not in self.request.path:
            raise OrkeeError("process_not_found", "The sandbox has no such process.", "List them.")
        self.write({"success": True})


class Attach(Base):
    async def get(self, ref: str) -> None:
        await self.line({"pid": 71})
        await self.line({"stream": "dropped", "bytes": 12})
        await self.line({"stream": "stdout", "text": "kept\n"})
        end = {"exit_code": 3, "signal": None, "timed_out": False, "duration": 1.0}
        await self.line(end)


class Rest(Base):
    def get(self, what: str) -> None:
        if what == "templates":
            template = {"name": "node", "image": "node:18-alpine", "description": "Node.js",
                        "ports": [3000], "source": "built-in"}  # fmt: skip
            self.write({"success": True, "templates": [template], "problems": [PROBLEM]})
        else:
            self.write({"success": True, "engine": ENGINE})

    def post(self, what: str) -> None:
        cleaned = [s for s in self.stub.sandboxes.values() if s["labels"].get("expired")]
        for sandbox in cleaned:
            sandbox["status"] = "terminated"
        self.write({"success": True, "cleaned": cleaned})
