"""Signals that Jupyter does not turn into an orderly stop by itself."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from typing import Any


def install(stop: Callable[[], Any]) -> None:
    """Have SIGHUP and SIGINT call ``stop`` on the running loop, where nobody handles them.

    Jupyter leaves SIGHUP alone, so a closed terminal would kill the server without its
    stop; and without a terminal it leaves SIGINT to Python, whose KeyboardInterrupt ends
    the loop before any extension could stop. A SIGHUP that is ignored (``nohup``) stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread may handle signals
    loop = asyncio.get_running_loop()
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        loop.add_signal_handler(signal.SIGHUP, stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        loop.add_signal_handler(signal.SIGINT, stop)
