"""Websockets to a server: how they are opened, and the errors of ``websockets`` translated.

The library is imported when a socket is opened: most commands of the command line need none.
"""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from orkee_jupyter.sandbox.errors import OrkeeError

from . import transport
from .discovery import Address

if TYPE_CHECKING:
    from websockets.asyncio.client import connect as AsyncConnecting
    from websockets.sync.client import ClientConnection

#: Bytes of one message from the server: an output piece is at most 64 KiB, with room for more.
MESSAGE_LIMIT = 4 * 1024 * 1024
#: Messages that wait here while nobody reads; beyond it the server is no longer read.
_QUEUE = 16


def open_socket(address: Address, path: str) -> contextlib.AbstractContextManager[ClientConnection]:
    """Return a websocket, open, to be entered. Raises what :func:`translated` raises."""
    from websockets.sync.client import connect, unix_connect

    options = _options(address)
    opened: contextlib.AbstractContextManager[ClientConnection]
    if address.socket is not None:
        opened = unix_connect(address.socket, _url(address, path), **options)
    else:
        opened = connect(_url(address, path), **options, **_proxy(address))
    return opened


def async_open_socket(address: Address, path: str) -> AsyncConnecting:
    """Return a websocket, to be opened by entering it."""
    from websockets.asyncio.client import connect, unix_connect

    options = _options(address)
    if address.socket is not None:
        return unix_connect(address.socket, _url(address, path), **options)
    return connect(_url(address, path), **options, **_proxy(address))


def _url(address: Address, path: str) -> str:
    return f"ws{address.url.removeprefix('http')}{transport.API}{path}"


def _options(address: Address) -> dict[str, Any]:
    headers = {"Authorization": f"token {address.token}"} if address.token else {}
    options: dict[str, Any] = {
        "additional_headers": headers,
        "user_agent_header": "orkee-jupyter",
        "compression": None,
        "open_timeout": transport.CALL.read,
        # The server pings. A pong is not read while nobody reads the output, and such a
        # connection must not be closed for it.
        "ping_interval": None,
        "close_timeout": 1,
        "max_size": MESSAGE_LIMIT,
        "max_queue": _QUEUE,
    }
    if address.url.startswith("https:"):
        options["ssl"] = ssl.create_default_context()
    return options


def _proxy(address: Address) -> dict[str, Any]:
    return {"proxy": None} if transport.is_loopback(address) else {}


@contextlib.contextmanager
def translated(address: Address) -> Iterator[None]:
    """Raise the library's errors as the problem that the server told, or as ``server_…``."""
    from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException

    try:
        yield
    except InvalidStatus as error:
        response = error.response
        raise _problem(bytes(response.body or b""), response.status_code, address) from error
    except (TimeoutError, InvalidHandshake) as error:
        raise transport.unreachable(f"The server at {address} opened no websocket.") from error
    except (OSError, WebSocketException, EOFError) as error:
        raise transport.broken(address) from error


def _problem(body: bytes, status: int, address: Address) -> OrkeeError:
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    return transport.refused(value, status, address)
