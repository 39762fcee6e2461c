"""The interpreter of ``%%sandbox python``, run inside a sandbox by its own Python (3.8 or later).

JSON lines: requests on stdin, messages on stdout. Where there is an ipykernel it runs that and
speaks the Jupyter messaging protocol with it over unix sockets; else it keeps state itself.
The code that it runs has descriptors 1 and 2 of its own, so that it cannot break a line of ours.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import fcntl
import inspect
import io
import json
import linecache
import os
import pprint
import queue
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import traceback
import types
import warnings

# No annotation here needs more than the oldest Python that an image may have.
from typing import Any, Callable, Dict, List, Tuple  # noqa: UP035

Message = Dict[str, Any]  # noqa: UP006
_PIECE = 65536
_LONGEST = 8 << 20  # bytes of one representation; more is left out
_START = 60.0  # seconds for a kernel to come up


class Wire:
    """Requests from and messages to the server's side, on descriptors of their own."""

    def __init__(self) -> None:
        self._in = os.fdopen(os.dup(0), "rb")
        self._out = os.dup(1)
        self._lock = threading.Lock()
        self.requests: queue.Queue[Message] = queue.Queue()
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)

    def tell(self, **message: Any) -> None:
        """Send a message."""
        line = json.dumps(message).encode() + b"\n"
        with self._lock:
            view = memoryview(line)
            while view:
                view = view[os.write(self._out, view) :]

    def listen(self, interrupt: Callable[[], None]) -> None:
        """Take requests in a thread; interrupts at once, the others in their order."""

        def run() -> None:
            for line in self._in:
                request = json.loads(line)
                if request.get("do") == "interrupt":
                    interrupt()
                else:
                    self.requests.put(request)
            os._exit(0)  # the other side has gone

        threading.Thread(target=run, daemon=True).start()


# -- the built-in interpreter ------------------------------------------------------------------


class Output:
    """What is written to descriptors 1 and 2, by whatever writes there, as messages."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._lock = threading.Lock()
        self._names: Dict[int, str] = {}  # noqa: UP006
        self.cell = 0
        for number, name in ((1, "stdout"), (2, "stderr")):
            read, write = os.pipe()
            os.dup2(write, number)
            os.close(write)
            self._names[read] = name
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123
        sys.stdout = io.TextIOWrapper(
            io.FileIO(1, "w", closefd=False), "utf-8", "replace", write_through=True
        )
        sys.stderr = io.TextIOWrapper(
            io.FileIO(2, "w", closefd=False), "utf-8", "backslashreplace", write_through=True
        )
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            ready = select.select(list(self._names), [], [])[0]
            self._take(ready)

    def _take(self, ready: List[int]) -> None:  # noqa: UP006
        # Read and told under the lock: who holds it and finds the pipes empty knows that
        # all has been told.
        with self._lock:
            for file in ready:
                if _waiting(file):
                    data = base64.b64encode(os.read(file, _PIECE)).decode()
                    self._wire.tell(
                        type="stream", cell=self.cell, name=self._names[file], data=data
                    )

    def drain(self) -> None:
        """Return when all that was written so far has been told."""
        for file in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # the code may have put anything there
                file.flush()
        while any(_waiting(file) for file in self._names):
            self._take(list(self._names))
        with self._lock:
            pass  # what was being told is told


def _waiting(file: int) -> int:
    size = fcntl.ioctl(file, termios.FIONREAD, b"\0\0\0\0")
    return int(struct.unpack("i", size)[0])


class BuiltIn:
    """An interpreter that keeps one namespace and shows the value of a last expression."""

    def __init__(self, wire: Wire, why: str = "") -> None:
        self._wire = wire
        self._why = why  # an ipykernel that is there could not be used
        self._output = Output(wire)
        self._main = types.ModuleType("__main__")
        self._main.__dict__["__builtins__"] = __builtins__
        self._main.__dict__["display"] = self.display
        sys.modules["__main__"] = self._main
        sys.path.insert(0, "")
        sys.argv = [""]
        self._cell = 0
        self._running = False
        self._pid = os.getpid()
        self._loop: Any = None
        signal.signal(signal.SIGINT, self._interrupted)
        warnings.filterwarnings("ignore", message=".*non-interactive.*")

    def _interrupted(self, number: int, frame: Any) -> None:
        if self._running:
            raise KeyboardInterrupt

    def interrupt(self) -> None:
        """Interrupt the code that runs."""
        if self._running:
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGINT)

    def hello(self) -> None:
        """Say what this is."""
        self._wire.tell(type="hello", kind="built-in", python=_python(), why=self._why)

    def run(self, cell: int, code: str) -> None:
        """Run a cell to its end."""
        self._cell = self._output.cell = cell
        if sys.stdin.closed:  # by exit() in an earlier cell
            sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123
        status = "error"
        try:
            self._running = True
            try:
                self._execute(code, f"<cell {cell}>")
                self._show_figures()
                status = "ok"
            finally:
                self._running = False
        except BaseException as error:
            self._fail(error)
        if os.getpid() != self._pid:
            os._exit(0)  # a child of the code, which must not answer for its parent
        self._output.drain()
        self._wire.tell(type="done", cell=cell, status=status)

    def _execute(self, code: str, name: str) -> None:
        linecache.cache[name] = (len(code), None, code.splitlines(True), name)
        tree = ast.parse(code, name)
        last: ast.Expression | None = None
        if tree.body and isinstance(tree.body[-1], ast.Expr):
            expression = tree.body.pop()
            assert isinstance(expression, ast.Expr)
            last = ast.Expression(expression.value)
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        if tree.body:
            self._evaluate(compile(tree, name, "exec", flags, dont_inherit=True))
        if last is not None:
            value = self._evaluate(compile(last, name, "eval", flags, dont_inherit=True))
            if value is not None:
                self._main.__dict__["_"] = value
                if not code.rstrip().endswith(";"):
                    self.display(value)

    def _evaluate(self, code: types.CodeType) -> Any:
        value = eval(code, self._main.__dict__)  # noqa: S307  # that is what it is for
        if not code.co_flags & inspect.CO_COROUTINE:
            return value
        import asyncio

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        return self._loop.run_until_complete(value)

    def display(self, *values: Any) -> None:
        """Show values as rich as they can be."""
        for value in values:
            data, metadata = bundle(value)
            self._output.drain()
            self._wire.tell(type="display", cell=self._cell, data=data, metadata=metadata)

    def _show_figures(self) -> None:
        """Show the figures of matplotlib that the cell left open, and close them."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is None:
            return
        for number in pyplot.get_fignums():
            self.display(pyplot.figure(number))
        pyplot.close("all")

    def _fail(self, error: BaseException) -> None:
        told = traceback.TracebackException.from_exception(error)
        _leave_out_ours(told)
        lines = list(told.format())
        self._output.drain()
        self._wire.tell(
            type="error",
            cell=self._cell,
            ename=type(error).__name__,
            evalue=str(error),
            traceback="".join(lines).rstrip("\n").split("\n"),
        )


def _leave_out_ours(told: traceback.TracebackException | None) -> None:
    """Take the frames of this program out of a traceback and what led to it."""
    while told is not None:
        ours = main.__code__.co_filename
        kept = [frame for frame in told.stack if frame.filename != ours]
        told.stack = traceback.StackSummary.from_list(kept)
        told = told.__cause__ or told.__context__


_METHODS = (
    ("text/html", "_repr_html_"),
    ("image/svg+xml", "_repr_svg_"),
    ("image/png", "_repr_png_"),
    ("image/jpeg", "_repr_jpeg_"),
)


def bundle(value: Any) -> Tuple[Message, Message]:  # noqa: UP006
    """Return the MIME bundle and metadata of a value. What fails is left out."""
    data: Message = {}
    metadata: Message = {}
    if not isinstance(value, type):
        _add(data, metadata, None, _call(value, "_repr_mimebundle_"))
        for mime, method in _METHODS:
            if mime not in data:
                _add(data, metadata, mime, _call(value, method))
        if not data and type(value).__name__ == "Figure" and hasattr(value, "savefig"):
            _add(data, metadata, "image/png", _figure(value))
    if "text/plain" not in data:
        try:
            data["text/plain"] = pprint.pformat(value, width=100, compact=True)
        except Exception as error:
            data["text/plain"] = f"<{type(value).__name__}: no repr: {error}>"
    return data, metadata


def _call(value: Any, method: str) -> Any:
    try:
        function = getattr(value, method, None)
        return function() if callable(function) else None
    except Exception:
        return None


def _add(data: Message, metadata: Message, mime: str | None, found: Any) -> None:
    if isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], dict):
        found, extra = found
        metadata.update(extra if mime is None else {mime: extra})
    if mime is None:
        for name, each in found.items() if isinstance(found, dict) else ():
            _add(data, metadata, str(name), each)
        return
    if isinstance(found, bytes):
        found = base64.b64encode(found).decode()
    if isinstance(found, str) and len(found) <= _LONGEST:
        data[mime] = found


def _figure(figure: Any) -> Any:
    file = io.BytesIO()
    try:
        figure.savefig(file, format="png", bbox_inches="tight")
    except Exception:
        return None
    return file.getvalue()


# -- a real ipykernel --------------------------------------------------------------------------


class Kernel:
    """An ipykernel in a process of its own, over unix sockets."""

    def __init__(self, wire: Wire) -> None:
        from jupyter_client.blocking.client import BlockingKernelClient
        from jupyter_client.connect import write_connection_file

        self._wire = wire
        folder = tempfile.mkdtemp(prefix="orkee-")
        # Unix sockets: no port of the sandbox's is taken or shown.
        file, _ = write_connection_file(
            os.path.join(folder, "kernel.json"),  # noqa: PTH118
            transport="ipc",
            ip=os.path.join(folder, "kernel"),  # noqa: PTH118
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ipykernel_launcher", "-f", file],
            stdin=subprocess.DEVNULL,
            stdout=2,
            stderr=2,
            env={**os.environ, "JPY_PARENT_PID": str(os.getpid())},
        )
        self._client: Any = BlockingKernelClient(connection_file=file)
        self._client.load_connection_file()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=_START)

    def interrupt(self) -> None:
        """Interrupt the kernel's process, and nothing that it has started."""
        self._process.send_signal(signal.SIGINT)

    def hello(self) -> None:
        """Say what this is."""
        version = "?"
        try:
            from importlib.metadata import version as version_of

            version = version_of("ipykernel")
        except Exception:  # noqa: S110  # only its number is missing then
            pass
        self._wire.tell(type="hello", kind="ipykernel", version=version, python=_python())

    def run(self, cell: int, code: str) -> None:
        """Run a cell to its end."""
        request = self._client.execute(code, allow_stdin=False)
        while True:
            try:
                message = self._client.get_iopub_msg(timeout=0.2)
            except queue.Empty:
                if self._process.poll() is not None:
                    os._exit(1)
                continue
            content = message["content"]
            own = message["parent_header"].get("msg_id") == request
            if own and content.get("execution_state") == "idle":
                break
            self._tell(cell, message["msg_type"], content)
        reply: Any = {}
        while reply.get("parent_header", {}).get("msg_id") != request:
            reply = self._client.get_shell_msg(timeout=_START)
        status = "ok" if reply["content"].get("status") == "ok" else "error"
        self._wire.tell(type="done", cell=cell, status=status)

    def _tell(self, cell: int, kind: str, content: Message) -> None:
        tell = self._wire.tell
        if kind == "stream":
            data = base64.b64encode(content["text"].encode("utf-8", "replace")).decode()
            tell(type="stream", cell=cell, name=content["name"], data=data)
        elif kind in ("display_data", "execute_result", "update_display_data"):
            tell(
                type="display",
                cell=cell,
                data=content["data"],
                metadata=content.get("metadata", {}),
                display_id=content.get("transient", {}).get("display_id"),
                update=kind == "update_display_data",
            )
        elif kind == "clear_output":
            tell(type="clear", cell=cell, wait=bool(content.get("wait")))
        elif kind == "error":
            error = {key: content[key] for key in ("ename", "evalue", "traceback")}
            tell(type="error", cell=cell, **error)


def _python() -> str:
    return ".".join(str(part) for part in sys.version_info[:3])


def main() -> None:
    """Serve requests until the other side goes."""
    wire = Wire()
    os.environ.setdefault("MPLBACKEND", "Agg")
    interpreter: Any
    try:
        import ipykernel  # noqa: F401
        import jupyter_client  # noqa: F401
    except Exception as error:
        absent = isinstance(error, ImportError) and getattr(error, "name", "") == "ipykernel"
        interpreter = BuiltIn(wire, "" if absent else f"{type(error).__name__}: {error}")
    else:
        os.environ.pop("MPLBACKEND", None)
        interpreter = Kernel(wire)
    interpreter.hello()
    wire.listen(interpreter.interrupt)
    while True:
        try:
            request = wire.requests.get()
            interpreter.run(request["cell"], request["code"])
        except KeyboardInterrupt:  # it came a moment too late
            continue


if __name__ == "__main__":
    main()
