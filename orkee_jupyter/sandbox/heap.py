"""Large heaps that stay: kept from the garbage collector, which holds up every thread."""

from __future__ import annotations

import atexit
import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Take what is made in here, and all that is there, out of the collector's sight for good.

    For what lives as long as the process and is large: to look through some hundred thousand
    objects takes the collector 0.1 to 0.3 s each time, in which the server's loop stands
    still too, whichever thread has caused it. Garbage of that moment with cycles is not freed.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        # At the interpreter's end everything is looked at, or extensions cry of leaks.
        atexit.unregister(gc.unfreeze)
        atexit.register(gc.unfreeze)
        if was_enabled:
            gc.enable()
