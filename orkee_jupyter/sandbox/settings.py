"""What an administrator may set about sandboxes; the server's traits fill it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .model import DEFAULT_TTL
from .policy import Policy


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits and times of the manager, in seconds unless said otherwise."""

    max_sandboxes: int = 50  # creating and active ones, of all users
    default_ttl: int = DEFAULT_TTL
    max_ttl: int = 7 * 86400  # for a paused one too, whyever it is paused
    reap_interval: float = 300.0
    link_timeout: float = 20.0  # for the daemon to connect after the container's start
    stop_grace: float = 5.0  # between TERM and KILL
    exit_window: float = 0.15  # a command that ends within it ended "at once"
    touch_interval: float = 10.0  # at most one row write for renewals in this time
    engine_timeout: float = 60.0  # for each call of the engine while a sandbox ends
    shutdown_timeout: float = 3.0  # for all sandboxes together to end in order
    on_shutdown: str = "pause"  # or "stop": what becomes of active sandboxes
    limits: str = "auto"  # "inside": never have the engine enforce limits
    kept_logs: int = 100  # logs of ended sandboxes that stay readable
    log_days: float = 7.0  # and for how long after their last line
    history_days: float = 30.0  # that events and execs are kept
    history_rows: int = 100_000  # of each of the two, at most
    policy: Policy = field(default_factory=Policy)
