"""Dagger's exceptions as OrkeeErrors: none of them leaves this package."""

from __future__ import annotations

import re

import dagger

from ..sandbox.errors import OrkeeError

#: Last lines of a failed setup command that an error shows.
_LINES = 20
_TRACE = re.compile(r"\s*\[traceparent:[^\]]*\]")
_LINE = 500  # characters of each
_UNREACHABLE = ("failed to do request", "dial tcp", "i/o timeout", "no such host", ": EOF")
_OF_THE_IMAGE = ("failed to resolve image", "failed to parse image address")
_FULL = "no space left on device"
_STAND_INS = "Without a registry, `orkee engine images` builds stand-ins from Debian packages."


def translate(error: BaseException, *, image: str | None = None) -> OrkeeError:
    """Return what an exception of the SDK means, as an error of ours."""
    if isinstance(error, OrkeeError):
        return error
    if isinstance(error, TimeoutError):
        return OrkeeError(
            "engine_timeout",
            "The Dagger engine did not answer in time.",
            "Try again; `orkee engine logs` shows what it does.",
        )
    message = _TRACE.sub("", str(error)).strip()
    if _FULL in message.lower() or (isinstance(error, dagger.ExecError) and _out_of_space(error)):
        return OrkeeError(
            "disk_full", "The disk of the Dagger engine is full.", "Free space and try again."
        )
    if isinstance(error, dagger.ExecError):
        return _setup_failed(error)
    if isinstance(error, dagger.QueryError | dagger.InvalidQueryError):
        if image and any(sign in message for sign in (*_OF_THE_IMAGE, *_UNREACHABLE)):
            return _unknown_image(image, message)
        return OrkeeError(
            "engine_failed",
            f"The Dagger engine failed: {message[:_LINE]}.",
            details={"message": message[:1000]},
        )
    # The first line: the HTTP library adds where to read about the status.
    what = message.partition("\n")[0].rstrip(".") or type(error).__name__
    if "502 Bad Gateway" in what:  # the session is there and says so
        what = "the engine does not answer"
    return OrkeeError(
        "engine_lost",
        f"The connection to the Dagger engine broke: {what}.",
        "Try again; `orkee engine status` shows the engine.",
    )


def _setup_failed(error: dagger.ExecError) -> OrkeeError:
    command = error.command[-1] if error.command else ""
    lines = [line[:_LINE] for line in _said(error).splitlines()[-_LINES:]]
    if error.exit_code < 0:  # it never ran, and the message says why
        reason = _TRACE.sub("", error.message).strip()[:_LINE]
        return OrkeeError(
            "setup_failed",
            f"The setup command {command!r} could not be run: {reason}.",
            "Correct the template's `setup`, or choose another image.",
            details={"exit_code": error.exit_code, "lines": lines},
        )
    last = f": {lines[-1]}" if lines else ""
    return OrkeeError(
        "setup_failed",
        f"The setup command {command!r} ended with code {error.exit_code}{last}.",
        "Correct the template's `setup`.",
        details={"exit_code": error.exit_code, "lines": lines},
    )


def _said(error: dagger.ExecError) -> str:
    return "\n".join(filter(None, (error.stdout.strip(), error.stderr.strip())))


def _out_of_space(error: dagger.ExecError) -> bool:
    return any(_FULL in line.lower() for line in _said(error).splitlines()[-_LINES:])


def _unknown_image(image: str, message: str) -> OrkeeError:
    if any(sign in message for sign in _UNREACHABLE):
        return OrkeeError(
            "unknown_image",
            f"No registry answers for the image {image!r}.",
            _STAND_INS,
            details={"message": message[:1000]},
        )
    if "failed to parse" in message:
        return OrkeeError(
            "unknown_image",
            f"{image!r} is not the name of an image.",
            "Write it as in `docker pull`, such as node:18-alpine.",
        )
    return OrkeeError(
        "unknown_image",
        f"The image {image!r} does not exist or may not be pulled.",
        f"Check its name and tag. {_STAND_INS}",
        details={"message": message[:1000]},
    )
