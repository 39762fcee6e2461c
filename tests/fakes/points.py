"""Failpoints: named steps of the fakes that can be made to fail, or to wait for the test."""

from __future__ import annotations

import asyncio


class Points:
    """The steps of one fake world. A step is named as in ``engine.start``."""

    def __init__(self) -> None:
        self.calls: list[str] = []  # every step that was entered, in order
        self._errors: dict[str, Exception] = {}
        self._gates: dict[str, asyncio.Event] = {}
        self._reached: dict[str, asyncio.Event] = {}

    def fail(self, step: str, error: Exception) -> None:
        """Make each later entry of a step raise."""
        self._errors[step] = error

    def block(self, step: str) -> asyncio.Event:
        """Make each later entry of a step wait until the event that is returned is set."""
        self._reached[step] = asyncio.Event()
        self._gates[step] = asyncio.Event()
        return self._gates[step]

    async def reached(self, step: str) -> None:
        """Wait until a step has been entered."""
        async with asyncio.timeout(2):
            await self._reached.setdefault(step, asyncio.Event()).wait()

    async def enter(self, step: str) -> None:
        """Be at a step: what the fakes call."""
        self.calls.append(step)
        self._reached.setdefault(step, asyncio.Event()).set()
        await asyncio.sleep(0)
        if gate := self._gates.get(step):
            await gate.wait()
        if error := self._errors.get(step):
            raise error
