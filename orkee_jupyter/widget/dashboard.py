"""The dashboard in a cell: all sandboxes, live, wherever notebooks are shown."""

from __future__ import annotations

import contextlib
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

import anywidget
import traitlets
from ipywidgets import __protocol_version__

from ..client.live import count_active
from .kernel_comm import kernel_comm
from .relay import Channel, relay

STATIC: Final = Path(__file__).parent / "static"
_COUNT: Final = 0.5  # seconds that the text for places without widgets may take


class Dashboard(anywidget.AnyWidget):
    """Shows the sandboxes of a server, and does with them what one may wish.

    It finds its server as the client does, or takes ``url`` and ``token``. What is changed
    anywhere shows here at once, and several of them show the same.
    """

    _esm = STATIC / "dashboard.js"
    _css = STATIC / "dashboard.css"
    comm: Any

    height = traitlets.Unicode(
        "", help='How high it becomes at most, as CSS says it ("400px", "60vh"); "": 480px.'
    ).tag(sync=True)
    view = traitlets.Enum(
        ("list", "new", "engine", "sandbox"), "list", help="What it shows: also what a user chose."
    ).tag(sync=True)
    selected = traitlets.Unicode(
        None, allow_none=True, help="Id of the sandbox that it shows, with the view `sandbox`."
    ).tag(sync=True)

    def __init__(self, *, url: str | None = None, token: str | None = None, **traits: Any) -> None:
        self._url, self._token = url, token
        self._said = "sandboxes of a Jupyter server, live"
        self._channel: Channel | None = relay.open(self._say, url=url, token=token)
        super().__init__(**traits)
        self.on_msg(_received)

    def open(self) -> None:
        """Open the way to the page, unless it is open. Widgets call it themselves."""
        if self.comm is None:
            state = {"state": self.get_state(), "buffer_paths": []}
            self.comm = kernel_comm(self._model_id, state, {"version": __protocol_version__})
        super().open()

    def show(self, sandbox: Any = None) -> None:
        """Show one sandbox, given as itself or by its id; the list where none is given."""
        chosen = None if sandbox is None else str(getattr(sandbox, "id", sandbox))
        with self.hold_sync():
            self.selected = chosen
            self.view = "list" if chosen is None else "sandbox"

    def close(self) -> None:
        """Take it away from the page, and end what it does in the kernel."""
        channel, self._channel = getattr(self, "_channel", None), None
        if channel is not None:
            channel.close()
        super().close()

    @property
    def live_connections(self) -> int:
        """How many live connections to the server its views have."""
        return 0 if self._channel is None else self._channel.live_connections

    def _say(self, message: Any) -> None:
        self.send(message)

    def __repr__(self) -> str:
        return f"Dashboard: {self._said}"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        self._said = self._count()
        return super()._repr_mimebundle_(**options)

    def _count(self) -> str:
        """Say how many sandboxes are active, for those who see no widget."""
        future: Future[int | None] | None = None
        count = None
        with contextlib.suppress(Exception):  # there is no text worth an error
            future = relay.run(count_active(self._url, self._token))
            count = future.result(_COUNT)
        if count is None:
            if future is not None:
                future.cancel()
            return "sandboxes of a Jupyter server, live"
        return f"{count} active sandbox" if count == 1 else f"{count} active sandboxes"


def _received(widget: Dashboard, content: object, buffers: object) -> None:
    if widget._channel is not None:
        widget._channel.receive(content)
