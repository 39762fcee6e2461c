"""The stub server's exec over a websocket: a command of this machine with stdin and signals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from typing import Any

from tornado import websocket

from orkee_jupyter.problems import to_problem
from orkee_jupyter.sandbox.errors import OrkeeError

WINDOW = 1024 * 1024


class ExecSocket(websocket.WebSocketHandler):
    """One command; ``self.stub`` is the server, which can make it break off or stop."""

    stub: Any
    body: Any

    async def serve(self, ref: str) -> None:
        """Take the handshake and all that follows."""
        self._ref = ref
        self._start: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._stdin: asyncio.Queue[bytes] = asyncio.Queue()
        self._process: asyncio.subprocess.Process | None = None
        await super().get(ref)

    def check_origin(self, origin: str) -> bool:
        return True

    def open(self, *_: str) -> None:
        self._serving = asyncio.create_task(self._serve())
        self.stub.commands.add(self._serving)
        self._serving.add_done_callback(self.stub.commands.discard)

    async def on_message(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self._stdin.put_nowait(message[1:])
            return
        body = json.loads(message)
        self.stub.messages.append(body)
        if body["type"] == "start":
            self._start.set_result(body)
        elif body["type"] == "end":
            self._stdin.put_nowait(b"")
        elif body["type"] == "signal":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.Signals[f"SIG{body['signal']}"])  # type: ignore[union-attr]

    async def _feed(self, stdin: asyncio.StreamWriter) -> None:
        while data := await self._stdin.get():
            with contextlib.suppress(ConnectionError):
                stdin.write(data)
                await stdin.drain()
            await self.tell({"type": "taken", "bytes": len(data)})
        stdin.close()

    def on_close(self) -> None:
        if self._process is not None and self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    async def tell(self, value: object) -> None:
        with contextlib.suppress(websocket.WebSocketClosedError):
            await self.write_message(json.dumps(value))

    async def _serve(self) -> None:
        body = await self._start
        try:
            await self._run_socket(body)
        except OrkeeError as error:
            await self.tell(to_problem(error))
        finally:
            self.stub.exec_ended.set()
            self.close()

    async def _run_socket(self, body: dict[str, Any]) -> None:
        sandbox = self.stub.find(self._ref)
        if sandbox["status"] != "active":
            raise OrkeeError("sandbox_not_active", "It has ended.", "Make a new one.")
        stdin = asyncio.subprocess.PIPE if body.get("stdin") else asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(
                *body["command"],
                env={**os.environ, "TMPDIR": self.stub.scratch, **body.get("env", {})},
                cwd=body.get("cwd"),
                stdin=stdin,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except FileNotFoundError:
            cause = f"{body['command'][0]} is not in the image."
            raise OrkeeError("command_not_found", cause, "Install it.") from None
        self._process = process
        await self.tell({"type": "started", "pid": process.pid, "window": WINDOW})
        if self.stub.break_exec:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            self.ws_connection.stream.close()  # type: ignore[union-attr]
            return
        feeder = asyncio.create_task(self._feed(process.stdin)) if process.stdin else None
        pumps = asyncio.gather(
            self._send_pipe(1, process.stdout), self._send_pipe(2, process.stderr)
        )
        timed_out = False
        try:
            await asyncio.wait_for(asyncio.shield(pumps), body.get("timeout") or None)
        except TimeoutError:
            timed_out = True
            os.killpg(process.pid, signal.SIGTERM)
            await pumps
        code = await process.wait()
        if feeder is not None:
            feeder.cancel()
        process._transport.close()  # type: ignore[attr-defined]
        if self.stub.lose_exec:
            raise OrkeeError("sandbox_lost", "The sandbox was stopped.", "Make a new one.")
        name = signal.Signals(-code).name.removeprefix("SIG") if code < 0 else None
        end = {"exit_code": 128 - code if code < 0 else code, "signal": name}
        await self.tell({"type": "exit", **end, "timed_out": timed_out, "duration": 0.25})

    async def _send_pipe(self, channel: int, pipe: Any) -> None:
        while data := await pipe.read(16384):
            with contextlib.suppress(websocket.WebSocketClosedError):
                await self.write_message(bytes([channel]) + data, binary=True)
