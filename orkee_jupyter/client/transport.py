"""HTTP to a server: how connections are opened, bodies read, and httpx's errors translated."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import httpx

from orkee_jupyter.problems import from_problem
from orkee_jupyter.sandbox.errors import CODES, OrkeeError

from .discovery import Address
from .results import not_understood

API = "orkee/api/"
NDJSON = "application/x-ndjson"
CONNECT_TIMEOUT = 5.0  # seconds
CALL = httpx.Timeout(60.0, connect=CONNECT_TIMEOUT)
CREATE = httpx.Timeout(900.0, connect=CONNECT_TIMEOUT)  # of silence: a first pull takes long
FOLLOW = httpx.Timeout(30.0, connect=CONNECT_TIMEOUT)  # the server's heartbeat is 5 s
TRANSFER = httpx.Timeout(300.0, connect=CONNECT_TIMEOUT)  # of silence: disks may be slow
WATCH = FOLLOW
CALL_LINES = httpx.Timeout(60.0, connect=CONNECT_TIMEOUT)  # of an answer in lines
EXEC = httpx.Timeout(None, connect=CONNECT_TIMEOUT)  # a command may be silent for hours
#: Kept connections would save little on a unix socket and cost much: one that the server
#: has just closed fails a POST that nobody may send twice.
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=0)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def open_http(address: Address) -> httpx.Client:
    """Return a sync httpx client for a server."""
    if address.socket is not None or is_loopback(address):
        transport = httpx.HTTPTransport(**_transport_options(address))
        return httpx.Client(transport=transport, **_options(address))
    return httpx.Client(limits=_LIMITS, **_options(address))


def async_open_http(address: Address) -> httpx.AsyncClient:
    """Return an async httpx client for a server."""
    if address.socket is not None or is_loopback(address):
        transport = httpx.AsyncHTTPTransport(**_transport_options(address))
        return httpx.AsyncClient(transport=transport, **_options(address))
    return httpx.AsyncClient(limits=_LIMITS, **_options(address))


def is_loopback(address: Address) -> bool:
    """Whether a proxy of the environment must be left out of the way."""
    return urlsplit(address.url).hostname in _LOOPBACK


def _options(address: Address) -> dict[str, Any]:
    headers = {"User-Agent": "orkee-jupyter"}
    if address.token:
        headers["Authorization"] = f"token {address.token}"
    return {"base_url": address.url + API, "headers": headers, "timeout": CALL}


def _transport_options(address: Address) -> dict[str, Any]:
    options: dict[str, Any] = {"limits": _LIMITS}
    if address.socket is not None:
        options["uds"] = address.socket
    else:
        options["socket_options"] = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    if not address.url.startswith("https:"):
        # Loading the machine's certificates takes 30 ms; this context trusts none.
        options["verify"] = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return options


def sandbox_path(ref: str, *rest: str) -> str:
    """Return the path of a sandbox's resource. Raises ``sandbox_not_found`` for no name."""
    if ref in ("", ".", ".."):
        raise OrkeeError(
            "sandbox_not_found",
            f"There is no sandbox {ref!r}.",
            "Give an id, the beginning of one, or a name.",
        )
    return "/".join(["sandbox", quote(ref, safe=""), *rest])


def snapshot_path(name: str) -> str:
    """Return the path of a snapshot. Raises ``snapshot_not_found`` for no name."""
    if name in ("", ".", ".."):
        raise OrkeeError(
            "snapshot_not_found", f"There is no snapshot {name!r}.", "Give a snapshot's name."
        )
    return "/".join(["snapshots", quote(name, safe="")])


def on_server(address: Address | None, path: str) -> str:
    """Return the URL of a path on a server, the path alone where there is no URL of it."""
    if address is None or address.socket is not None:
        return path
    return urljoin(address.url, path)


def encode(body: object) -> bytes:
    """Return a JSON body. Raises ``invalid_request`` for what JSON cannot say."""
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise OrkeeError(
            "invalid_request",
            f"The request cannot be written as JSON: {error}.",
            "Give text, numbers, lists and dictionaries.",
        ) from error


def decode(data: bytes) -> dict[str, Any]:
    """Return the JSON object of a body or line. Raises ``internal`` if it is none."""
    try:
        value = json.loads(data)
    except ValueError as error:
        raise not_understood() from error
    if not isinstance(value, dict):
        raise not_understood()
    return value


def raise_problem(line: Mapping[str, Any]) -> None:
    """Raise the error that a line of a stream stands for, if it stands for one."""
    if line.get("success") is False and "code" in line:
        raise from_problem(dict(line), int(line.get("status", 500)))


def problem(response: httpx.Response, body: bytes, address: Address) -> OrkeeError:
    """Return the error that a response with a status of failure stands for."""
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    return refused(value, response.status_code, address)


def refused(value: object, status: int, address: Address) -> OrkeeError:
    """Return the error that an answer's body, if it was JSON, and its status stand for."""
    if isinstance(value, dict) and value.get("code") in CODES:
        return from_problem(value, status)
    if 300 <= status < 400 or status == 401:
        return OrkeeError(
            "unauthenticated",
            f"The server at {address} asks for a login.",
            "Give its token, by token= or ORKEE_TOKEN.",
        )
    if status == 404:
        return OrkeeError(
            "server_unreachable",
            f"The server at {address} has no Orkee.",
            "Check the URL, and that `jupyter server extension list` there shows orkee_jupyter.",
        )
    return from_problem(value, status)


@contextlib.contextmanager
def translated(address: Address) -> Iterator[None]:
    """Raise httpx's errors as OrkeeError ``server_unreachable`` or ``invalid_request``."""
    try:
        yield
    except httpx.ConnectTimeout as error:
        raise unreachable(f"The server at {address} does not accept connections.") from error
    except httpx.ConnectError as error:
        raise unreachable(f"No Orkee server answers at {address}.") from error
    except httpx.TimeoutException as error:
        raise unreachable(f"The server at {address} did not answer in time.") from error
    except httpx.TransportError as error:
        raise unreachable(f"The connection to the server at {address} broke.") from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise OrkeeError(
            "invalid_request", f"The request could not be made: {error}.", "Check the URL."
        ) from error


def broken(address: Address) -> OrkeeError:
    """Return the error for a stream that ended before its last line."""
    return unreachable(f"The connection to the server at {address} broke.")


def unreachable(cause: str) -> OrkeeError:
    """Return the error for a server that does not answer."""
    remedy = "Check that the server runs; `orkee sandbox list` shows what it still has."
    return OrkeeError("server_unreachable", cause, remedy)


class LineSplitter:
    """Cuts a stream of bytes into lines, at newlines only (text may hold other separators)."""

    def __init__(self) -> None:
        self._partial: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that the bytes complete; empty ones (heartbeats) are left out."""
        first, *rest = data.split(b"\n")
        self._partial.append(first)
        if not rest:
            return []
        lines = [b"".join(self._partial), *rest[:-1]]
        self._partial = [rest[-1]]
        return [line for line in lines if line.strip()]

    def finish(self) -> list[bytes]:
        """Return what stands after the last newline."""
        line = b"".join(self._partial)
        self._partial = []
        return [line] if line.strip() else []
