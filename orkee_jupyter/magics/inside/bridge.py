"""The interpreter of ``%%sandbox python``, run inside a sandbox by its own Python (3.8 or later).

JSON lines: requests on stdin, messages on stdout. Where there is an ipykernel it runs that and
speaks the Jupyter messaging protocol with it over unix sockets; else it keeps state itself.
The code that it runs has descriptors 1 and 2 of its own, so that it cannot break a line of ours.

The modules of this folder travel as text: see ``interpreter.source``.
"""

from __future__ import annotations

import os
from typing import Any

from .builtin import BuiltIn
from .kernel import Kernel, unusable
from .wire import Wire


def main() -> None:
    """Serve requests until the other side goes."""
    wire = Wire()
    os.environ.setdefault("MPLBACKEND", "Agg")
    why = unusable()
    interpreter: Any
    if why is None:
        os.environ.pop("MPLBACKEND", None)
        interpreter = Kernel(wire)
    else:
        interpreter = BuiltIn(wire, why)
    interpreter.hello()
    wire.listen(interpreter.interrupt)
    while True:
        try:
            request = wire.requests.get()
            interpreter.run(request["cell"], request["code"], request.get("input") is True)
        except KeyboardInterrupt:  # it came a moment too late
            continue
