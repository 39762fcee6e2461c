"""What a sandbox is to its client: the last known REST object, with a property for each fact."""

from __future__ import annotations

import importlib
from typing import Any

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import Limits
from orkee_jupyter.sandbox.usage import Stats


class SandboxRecord:
    """The facts of a sandbox as the server last told them. Times are unix seconds."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    @property
    def data(self) -> dict[str, Any]:
        """The REST ``sandbox`` object itself."""
        return self._data

    @property
    def id(self) -> str:
        """32 hex digits."""
        return str(self._data["id"])

    @property
    def short_id(self) -> str:
        """The first 12 digits of the id."""
        return self.id[:12]

    @property
    def name(self) -> str | None:
        """The name given at creation."""
        return self._data.get("name")

    @property
    def status(self) -> str:
        """``creating``, ``active``, ``paused``, ``terminated`` or ``failed``."""
        return str(self._data["status"])

    @property
    def reason(self) -> str | None:
        """Why it failed, paused or ended."""
        return self._data.get("reason")

    @property
    def exit_code(self) -> int | None:
        """The exit code of the main command, once that has ended."""
        return self._data.get("exit_code")

    @property
    def template(self) -> str:
        """The template it was made from."""
        return str(self._data.get("template", ""))

    @property
    def image(self) -> str:
        """The image of its container."""
        return str(self._data.get("image", ""))

    @property
    def project(self) -> str | None:
        """The project it was made for."""
        return self._data.get("project_id")

    @property
    def host_url(self) -> str | None:
        """Where its first port is reached from this host."""
        return self._data.get("host_url")

    @property
    def ports(self) -> list[int]:
        """The ports inside the sandbox that were asked for."""
        return list(self._data.get("ports") or [])

    @property
    def port_map(self) -> list[dict[str, Any]]:
        """The ports that can be reached, those found later too.

        Each with ``port``, ``host_port``, ``url``, ``listening`` and, for browsers that are
        logged in at the server, the path ``proxy``.
        """
        return list(self._data.get("port_map") or [])

    def url(self, port: int | None = None) -> str:
        """Return where the server's machine reaches a port, the first where none is named.

        Raises OrkeeError ``invalid_port`` if it is not known.
        """
        for each in self.port_map:
            if port is None or each["port"] == port:
                return str(each["url"])
        what = "no port" if port is None else f"no port {port}"
        raise OrkeeError(
            "invalid_port",
            f"The sandbox {self.short_id} has {what} that can be reached.",
            "Name it at the creation, or wait for it by wait_for('port:…').",
        )

    @property
    def working_directory(self) -> str:
        """The folder in which commands run and the workspace is."""
        return str(self._data.get("working_directory", ""))

    @property
    def command(self) -> list[str] | None:
        """The main command."""
        value = self._data.get("command")
        return None if value is None else list(value)

    @property
    def env(self) -> list[str]:
        """The names of the environment's variables; the values stay in the server."""
        return list(self._data.get("env") or [])

    @property
    def labels(self) -> dict[str, str]:
        """The labels given at creation."""
        return dict(self._data.get("labels") or {})

    @property
    def ttl(self) -> int:
        """The lifetime in seconds, renewed by each use."""
        return int(self._data.get("ttl") or 0)

    @property
    def on_expiry(self) -> str:
        """What happens when its lifetime is over: "stop" or "pause"."""
        return str(self._data.get("on_expiry") or "stop")

    @property
    def timeout(self) -> int | None:
        """How many seconds it may live in all, None for as long as it is used."""
        return self._data.get("timeout")

    @property
    def limits(self) -> Limits:
        """What it may use at most."""
        given = self._data.get("limits") or {}
        return Limits(given.get("memory"), given.get("cpus"), given.get("pids"))

    @property
    def enforced(self) -> dict[str, str]:
        """Who keeps each limit, while it is active: "outside" (the engine) or "inside"."""
        return dict(self._data.get("enforced") or {})

    @property
    def last_stats(self) -> Stats | None:
        """What it used some seconds before the server was asked; None if that is not known."""
        given = self._data.get("stats")
        return None if given is None else Stats.from_json(given)

    @property
    def created_at(self) -> int:
        """When it was made."""
        return int(self._data["created_at"])

    @property
    def last_active_at(self) -> int:
        """When it was last used."""
        return int(self._data["last_active_at"])

    @property
    def expires_at(self) -> int:
        """When it is ended if it is not used before."""
        return int(self._data["expires_at"])

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<{type(self).__name__} {self.short_id}{name} {self.template} {self.status}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Return the card that a notebook shows, or plain text where there are no magics."""
        try:
            cards = importlib.import_module("orkee_jupyter.magics.cards")
        except ImportError:
            return {"text/plain": repr(self)}
        return dict(cards.sandbox_card(self))


def limits_of(
    memory: str | int | None, cpus: float | None, pids: int | None
) -> dict[str, Any] | None:
    """Return the ``limits`` of a create's body, None without any."""
    given = {"memory": memory, "cpus": cpus, "pids": pids}
    return {key: value for key, value in given.items() if value is not None} or None
