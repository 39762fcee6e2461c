"""Pause and resume on request: the container goes and comes again, the workspace stays."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from .activity import Activity
from .create import Creator
from .ending import Ending
from .errors import OrkeeError
from .freezing import Freezing
from .model import PortMapping, Sandbox, Status
from .ports import Clock, Progress
from .problem import hide
from .refusals import defect, label, not_active, secret_missing, unknown_secret
from .registry import Entry, Registry
from .settings import Settings
from .tasks import Tasks
from .templates import TemplateCatalogue
from .usage import Gauge

_BROKEN_OFF: Final = "sandbox_not_active"  # what steps that were cancelled end with


class Pausing:
    """Pauses active sandboxes and resumes paused ones, whyever they are paused."""

    def __init__(
        self,
        registry: Registry,
        ending: Ending,
        creator: Creator,
        freezing: Freezing,
        activity: Activity,
        templates: TemplateCatalogue,
        clock: Clock,
        settings: Settings,
        tasks: Tasks,
    ) -> None:
        self._registry = registry
        self._ending = ending
        self._creator = creator
        self._freezing = freezing
        self._activity = activity
        self._templates = templates
        self._clock = clock
        self._settings = settings
        self._tasks = tasks

    async def pause(self, entry: Entry, *, freeze: bool = False) -> Sandbox:
        """End a sandbox's container and return its paused row; its commands may end in order.

        A paused sandbox stays paused, one that is being resumed is paused again. It is kept
        as long as a sandbox may live at most. With ``freeze`` the container stays, and all in
        it stands still; without it the container of a frozen one is ended. Raises
        ``sandbox_not_active``, ``freeze_unsupported``.
        """
        if entry.ending is not None or entry.sandbox.status is Status.CREATING:
            raise not_active(entry.sandbox, stopping=True)
        # To its end, also when the caller goes: half a pause is none.
        await asyncio.shield(self._tasks.spawn(self._pause(entry, freeze)))
        if entry.ending is not None or entry.sandbox.status is not Status.PAUSED:
            raise not_active(entry.sandbox, stopping=True)
        return entry.sandbox

    async def _pause(self, entry: Entry, freeze: bool) -> None:
        if entry.being_resumed and entry.resuming is not None:
            entry.interrupt()
            await asyncio.wait({entry.resuming})
        if freeze and entry.sandbox.status is Status.ACTIVE:
            await self._freezing.freeze(entry)
        elif entry.sandbox.status is Status.ACTIVE or (entry.frost is not None and not freeze):
            await self._ending.pause(entry, "paused", self._settings.stop_grace)
        else:
            self._ending.keep(entry)
            await self._registry.touch(entry)

    async def resume(
        self,
        entry: Entry,
        progress: Progress = lambda _: None,
        *,
        wait: bool = True,
        secrets: Mapping[str, str] | None = None,
    ) -> Sandbox:
        """Start a paused sandbox's container again, or let a frozen one go on; return its row.

        It has its id, name, files, ports, environment, limits and command as before; without
        ``wait`` its paused row is returned and the resume goes on by itself. Nothing happens
        to an active one, and two calls are one resume. A resume that fails leaves the sandbox
        paused with the reason. ``secrets`` are values in place of those that were given before,
        or that a server before this one had. Raises what a create does, ``secret_missing`` and
        ``sandbox_not_active``.
        """
        if entry.ending is not None or entry.sandbox.status is Status.CREATING:
            raise not_active(entry.sandbox, stopping=True)
        if entry.sandbox.status is Status.ACTIVE:
            return entry.sandbox
        if not entry.being_resumed:
            _take(entry, secrets or {})
            setup = self._templates.setup_of(entry.sandbox)
            sandbox = entry.sandbox = self._settings.policy.applied(entry.sandbox)
            if entry.frost is None:  # else it counts already
                self._settings.policy.check_number(self._registry.running(), sandbox.user_id)
                self._registry.make_room(self._settings.max_sandboxes)
            entry.resuming = self._tasks.spawn(self._conduct(entry, setup, progress))
        resuming = entry.resuming
        assert resuming is not None
        return await asyncio.shield(resuming) if wait else entry.sandbox

    async def _conduct(self, entry: Entry, setup: tuple[str, ...], progress: Progress) -> Sandbox:
        hold = self._activity.hold(entry)  # it does not expire while it comes up
        try:
            async with entry.moving:
                if entry.sandbox.status is not Status.PAUSED or entry.ending is not None:
                    raise not_active(entry.sandbox, stopping=True)
                if await self._freezing.thaw(entry):
                    return entry.sandbox
                return await self._bring_up(entry, setup, progress)
        finally:
            await hold.release()

    async def _bring_up(self, entry: Entry, setup: tuple[str, ...], progress: Progress) -> Sandbox:
        before = entry.sandbox
        entry.gauge, entry.throttled = Gauge(), 0.0
        entry.sandbox = before.with_(
            exit_code=None,
            reason=None,
            port_map=tuple(
                PortMapping(port, before.host_ports.get(port), asked=True) for port in before.ports
            ),
            expires_at=max(entry.sandbox.promised, int(self._clock.now()) + before.ttl),
        )
        try:
            error = await self._creator.again(entry, setup, progress)
        except Exception as fault:
            error = defect(before, fault)
        if error is None:
            return entry.sandbox
        await self._fall_back(entry, before, error)
        raise _broken_off(before) if error.code == _BROKEN_OFF else error

    async def _fall_back(self, entry: Entry, before: Sandbox, error: OrkeeError) -> None:
        """Take down what came up, and say why the sandbox is still paused."""
        reason = (
            before.reason
            if error.code == _BROKEN_OFF
            else hide(error.cause, before.env, entry.secrets)
        )
        entry.step, entry.workspace = None, True
        if error.code != _BROKEN_OFF:
            said = f"It could not be resumed: {reason}"
            self._registry.history.note(before.id, "paused", said)
        daemon, entry.daemon = entry.daemon, None
        if entry.sandbox.status is Status.ACTIVE:  # but its row could not be written
            await self._registry.move(entry, Status.PAUSED, reason)
        await self._ending.let_go(entry, daemon)
        entry.began = None
        entry.sandbox = before.with_(
            reason=reason,
            stop_at=entry.sandbox.stop_at,
            expires_at=max(before.expires_at, entry.sandbox.expires_at),
        )
        await self._registry.save(entry)


def _take(entry: Entry, secrets: Mapping[str, str]) -> None:
    """Take values of a sandbox's secrets. Raises ``secret_missing``, ``invalid_request``."""
    sandbox = entry.sandbox
    if unknown := sorted(set(secrets) - set(sandbox.secrets)):
        raise unknown_secret(sandbox, unknown[0])
    known = {**entry.secrets, **secrets}
    if missing := [name for name in sandbox.secrets if name not in known]:
        raise secret_missing(sandbox, missing)
    entry.secrets = known


def _broken_off(sandbox: Sandbox) -> OrkeeError:
    return OrkeeError(
        "sandbox_not_active",
        f"The resume of sandbox {label(sandbox)} was broken off.",
        "Resume it again if that was not meant.",
        details={"id": sandbox.id, "status": Status.PAUSED.value, "reason": sandbox.reason},
    )
