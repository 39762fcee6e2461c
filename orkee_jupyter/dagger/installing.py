"""An install of the native engine beside a running event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

from ..sandbox.ports import Progress
from .install import install


async def install_in_thread(progress: Progress, run: Callable[[Progress], bool] = install) -> bool:
    """Install the native engine; return whether anything had to be built.

    In a thread that no exit of the process waits for: a build takes minutes, and one that is
    broken off resumes. ``progress`` is called on this loop. Raises what ``install`` does.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bool] = loop.create_future()

    def tell(step: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(progress, step)

    def settle(built: bool, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(built)
        else:
            done.set_exception(error)

    def work() -> None:
        built, error = False, None
        try:
            built = run(tell)
        except BaseException as caught:
            error = caught
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, built, error)

    threading.Thread(target=work, name="orkee-install", daemon=True).start()
    return await done
