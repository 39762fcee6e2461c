"""The built-in interpreter: one namespace, and the value of a last expression shown."""

from __future__ import annotations

import ast
import inspect
import linecache
import os
import signal
import sys
import threading
import traceback
import types
import warnings
from typing import Any

from .bundles import bundle
from .output import Output
from .questions import Questions
from .wire import Wire, python_version

_OURS = __file__[: __file__.rindex("/") + 1]  # what the names of this program's files begin with


class BuiltIn:
    """An interpreter that keeps one namespace and shows the value of a last expression."""

    def __init__(self, wire: Wire, why: str = "") -> None:
        self._wire = wire
        self._why = why  # an ipykernel that is there could not be used
        self._output = Output(wire)
        self._questions = Questions(wire, self._output)
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
        self._wire.tell(type="hello", kind="built-in", python=python_version(), why=self._why)

    def run(self, cell: int, code: str, asks: bool) -> None:
        """Run a cell to its end; ``asks`` says whether its front end takes input."""
        self._cell = self._output.cell = cell
        self._questions.allowed = asks
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
        kept = [frame for frame in told.stack if not frame.filename.startswith(_OURS)]
        told.stack = traceback.StackSummary.from_list(kept)
        told = told.__cause__ or told.__context__
