"""Limits that a fake engine enforces from outside, and that the test breaks."""

from __future__ import annotations

import asyncio

from orkee_jupyter.sandbox.ports import Counted


class FakeGuard:
    """A ``Guard``."""

    def __init__(self, kinds: frozenset[str]) -> None:
        self.kinds = kinds
        self.released = False
        self.now = Counted()
        self._broken: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def counted(self) -> Counted:
        return self.now

    async def broken(self) -> str:
        return await asyncio.shield(self._broken)

    async def release(self) -> None:
        self.released = True

    def break_limit(self, kind: str, *, told: bool = True) -> None:
        """Have a limit broken; without ``told`` only who asks hears of it."""
        self.now = Counted(kind)
        if told:
            self._broken.set_result(kind)
