"""What an administrator allows: images, folders, limits and lifetimes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Final

from .errors import OrkeeError
from .model import LIMIT_KINDS, Limits, Sandbox, show_bytes
from .validate import show

_ADMINISTRATOR: Final = "Ask whoever runs this server."


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules for all users of a server. What is empty or None allows everything.

    Patterns are those of a shell: ``*`` stands for anything, a ``/`` too. A sandbox without a
    limit of its own gets the largest there may be.
    """

    images: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()  # of the server that workspaces may begin with
    limits: Limits = field(default_factory=Limits)
    timeout: int | None = None  # seconds that a sandbox may be active in all
    ttl: int | None = None  # seconds
    networks: tuple[str, ...] = ()  # patterns of what sandboxes may reach
    sandboxes: int | None = None  # creating and active ones of a user

    def applied(self, sandbox: Sandbox) -> Sandbox:
        """Return a sandbox with the limits that it has to have.

        Raises ``not_allowed_by_policy`` for what it must not have.
        """
        self._check_image(sandbox.image)
        self._check_network(sandbox.network)
        return sandbox.with_(
            limits=self._limited(sandbox.limits), timeout=self._timed(sandbox.timeout)
        )

    def check_ttl(self, seconds: int) -> None:
        """See that a sandbox may live so long without use. Raises ``not_allowed_by_policy``."""
        if self.ttl is not None and seconds > self.ttl:
            raise _refused(
                "allowed_ttl",
                f"A lifetime of {seconds} s is more than the {self.ttl} s that are allowed here.",
                f"Ask for at most {self.ttl} seconds.",
            )

    def check_folder(self, folder: str) -> None:
        """See that a workspace may begin with a folder of the server's."""
        if self.folders and not any(fnmatchcase(folder, each) for each in self.folders):
            raise _refused(
                "allowed_folders",
                f"The folder {show(folder)} must not be copied into a sandbox here.",
                f"Allowed are: {', '.join(self.folders)}.",
            )

    def _check_image(self, image: str) -> None:
        if self.images and not any(fnmatchcase(image, each) for each in self.images):
            raise _refused(
                "allowed_images",
                f"The image {show(image)} is not allowed here.",
                f"Allowed are: {', '.join(self.images)}.",
            )

    def _check_network(self, network: str) -> None:
        if self.networks and not any(fnmatchcase(network, each) for each in self.networks):
            raise _refused(
                "allowed_networks",
                f"The network policy {show(network)} is not allowed here.",
                f"Allowed are: {', '.join(self.networks)}.",
            )

    def _limited(self, limits: Limits) -> Limits:
        for kind in LIMIT_KINDS:
            largest, asked = getattr(self.limits, kind), getattr(limits, kind)
            if largest is None:
                continue
            if asked is None:
                limits = replace(limits, **{kind: largest})
            elif asked > largest:
                words = show_bytes(largest) if kind == "memory" else f"{largest:g}"
                raise _refused(
                    f"largest_{kind}",
                    f"The limit of {kind} is above the {words} that are allowed here.",
                    f"Ask for {words} at most.",
                )
        return limits

    def _timed(self, timeout: int | None) -> int | None:
        if self.timeout is None or timeout is None:
            return timeout if self.timeout is None else self.timeout
        if timeout > self.timeout:
            raise _refused(
                "largest_timeout",
                f"A timeout of {timeout} s is above the {self.timeout} s that are allowed here.",
                f"Ask for at most {self.timeout} seconds.",
            )
        return timeout

    def check_number(self, running: Sequence[Sandbox], owner: str) -> None:
        """See that an owner may have one more, beside all that run."""
        mine = sum(each.user_id == owner for each in running)
        if self.sandboxes is not None and mine >= self.sandboxes:
            raise _refused(
                "max_sandboxes_per_user",
                f"You have {mine} sandboxes, as many as one user may have here.",
                "Stop or pause one.",
            )


def _refused(rule: str, cause: str, remedy: str) -> OrkeeError:
    return OrkeeError(
        "not_allowed_by_policy", cause, f"{remedy} {_ADMINISTRATOR}", details={"rule": rule}
    )
