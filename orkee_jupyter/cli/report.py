"""How a verb ends when it does not succeed: messages, problem objects, exit codes."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

from orkee_jupyter.sandbox.errors import OrkeeError

from .output import plain, print_json

FAILED = 1
EXEC_FAILED = 125  # of exec itself, for lower codes may be the command's
INTERRUPTED = 130  # 128 + SIGINT
PIPE_CLOSED = 141  # 128 + SIGPIPE

P = ParamSpec("P")
R = TypeVar("R")


def reported(code: int = FAILED) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that turns a verb's exceptions into a message and an exit code."""

    def decorate(verb: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(verb)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return verb(*args, **kwargs)
            except OrkeeError as error:
                show(error, as_json=bool(kwargs.get("as_json")))
                raise typer.Exit(code) from error
            except KeyboardInterrupt:
                raise typer.Exit(INTERRUPTED) from None
            except BrokenPipeError:
                # Whoever read our output has enough; the interpreter must not flush into it.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise typer.Exit(PIPE_CLOSED) from None
            except typer.Exit:
                raise
            except Exception as error:
                if os.environ.get("ORKEE_DEBUG") or _is_usage(error):
                    raise
                show(_defect(error), as_json=bool(kwargs.get("as_json")))
                raise typer.Exit(code) from error

        return run

    return decorate


def show(error: OrkeeError, *, as_json: bool) -> None:
    """Print an error: to stderr, or as the problem object to stdout."""
    if os.environ.get("ORKEE_DEBUG"):
        import traceback

        traceback.print_exception(error)
    if as_json:
        from orkee_jupyter.problems import to_problem

        print_json(to_problem(error))
        return
    print(f"error [{error.code}]: {plain(error.cause)}", file=sys.stderr)
    for line in last_lines(error):
        print(f"  | {plain(line)}", file=sys.stderr)
    if error.remedy:
        print(plain(error.remedy), file=sys.stderr)


def last_lines(error: OrkeeError) -> list[str]:
    """Return what a command or a server said before it ended, where the details hold it."""
    for key in ("lines", "log", "tail"):
        if isinstance(said := error.details.get(key), list):
            return [str(line) for line in said]
    return []


def _is_usage(error: Exception) -> bool:
    """Whether the parser says it itself, with exit code 2."""
    return isinstance(error, (typer.BadParameter, typer.Abort))


def _defect(error: Exception) -> OrkeeError:
    return OrkeeError(
        "internal",
        f"{type(error).__name__}: {error}.",
        "Run it again with ORKEE_DEBUG=1 for the traceback, and report that.",
    )
