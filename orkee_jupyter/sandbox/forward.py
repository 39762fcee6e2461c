"""Which ports of a sandbox the host can reach, and where: those asked for, and those found."""

from __future__ import annotations

import contextlib
import logging

from .activity import Activity
from .errors import OrkeeError
from .model import PortMapping, Status
from .ports import Clock, DaemonHub, PortMap
from .registry import Entry, Registry

log = logging.getLogger(__name__)

#: Listeners of one sandbox; what it opens beyond that is not reachable from the host.
MAX_MAPPINGS = 64
#: Seconds between two looks at what a sandbox says of its ports.
PAUSE = 0.1


class Forwarder:
    """Opens the host's listeners of sandboxes and keeps their ``port_map``."""

    def __init__(self, registry: Registry, hub: DaemonHub, activity: Activity, clock: Clock):
        self._registry = registry
        self._hub = hub
        self._activity = activity
        self._clock = clock

    def open(self, entry: Entry) -> None:
        """Listen for the ports asked for. Raises ``port_taken``."""
        ports = self._hub.ports(entry.sandbox.id)

        def used() -> None:
            self._activity.renew(entry)

        ports.used = used
        opened = [each.at(self._listen(entry, ports, each)) for each in entry.sandbox.port_map]
        entry.sandbox = entry.sandbox.with_(port_map=tuple(opened))

    @staticmethod
    def _listen(entry: Entry, ports: PortMap, each: PortMapping) -> int:
        """Listen where it was asked for, else where it was before a pause, if that is free."""
        before = entry.had.get(each.port)
        if each.host_port is None and before is not None:
            with contextlib.suppress(OrkeeError):
                return ports.listen(each.port, before)
        return ports.listen(each.port, each.host_port, same=True)

    def first(self, entry: Entry) -> str | None:
        """Return the URL of a sandbox's first port, None if it has none."""
        urls = (each.url for each in entry.sandbox.port_map)
        return next((url for url in urls if url is not None), None)

    async def follow(self, entry: Entry) -> None:
        """Keep the map of a running sandbox, until cancelled."""
        ports = self._hub.ports(entry.sandbox.id)
        known = ports.listening
        while True:
            await self._update(entry, ports, known)
            known = await ports.change(known)
            # However often it changes its mind, others are told ten times a second.
            await self._clock.sleep(PAUSE)
            known = ports.listening

    async def _update(self, entry: Entry, ports: PortMap, listening: frozenset[int]) -> None:
        before = entry.sandbox.port_map
        kept = [each.seen(each.port in listening) for each in before]
        for port in sorted(listening - {each.port for each in before}):
            if len(kept) >= MAX_MAPPINGS and not await self._make_room(kept, ports):
                log.info("Sandbox %s listens on more ports than are kept.", entry.sandbox.id)
                break
            try:
                kept.append(PortMapping(port, ports.listen(port), is_open=True, listening=True))
            except OrkeeError as error:
                log.warning("Sandbox %s: port %d: %s", entry.sandbox.id, port, error)
        if tuple(kept) == before or entry.sandbox.status is not Status.ACTIVE:
            return
        url = entry.sandbox.host_url
        entry.sandbox = entry.sandbox.with_(port_map=tuple(kept))
        entry.sandbox = entry.sandbox.with_(host_url=url or self.first(entry))
        if entry.sandbox.host_url == url:
            self._registry.changed(entry)
        else:
            await self._registry.save(entry)

    @staticmethod
    async def _make_room(kept: list[PortMapping], ports: PortMap) -> bool:
        """Give up the oldest port that was found and is listened on no more, if there is one."""
        for each in kept:
            if not each.asked and not each.listening:
                kept.remove(each)
                await ports.unlisten(each.port)
                return True
        return False
