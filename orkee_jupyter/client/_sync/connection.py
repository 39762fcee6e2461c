# Generated from ../_async/connection.py by scripts/unasync.py. Do not edit.
"""A connection to one server: requests, streams of lines, and the server's errors."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

import httpx

from orkee_jupyter.sandbox.errors import OrkeeError

from .. import transport
from ..discovery import Address, find, may_answer
from ..results import not_understood
from ..waiting import each, in_thread

Params = Sequence[tuple[str, str]]


class Connection:
    """Speaks to the server at ``url``, or to the one that discovery finds or starts.

    The server is looked for at the first request. A server found on this machine that no
    longer accepts connections is looked for again; requests themselves are never repeated.
    """

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        self._url = url
        self._token = token
        self._address: Address | None = None
        self._http: httpx.Client | None = None

    @property
    def address(self) -> Address | None:
        """The server in use, None before the first request."""
        return self._address

    def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        params: Params = (),
    ) -> dict[str, Any]:
        """Return the JSON object of an answer. Raises OrkeeError as the server says."""
        response, address = self._send(method, path, body, params, transport.CALL)
        try:
            with transport.translated(address):
                return transport.decode(response.read())
        finally:
            response.close()

    def lines(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        params: Params = (),
        timeout: httpx.Timeout,
        start: bool = True,
    ) -> Generator[dict[str, Any]]:
        """Yield the JSON objects of a streamed answer as they come.

        Raises OrkeeError for a problem before or in the stream. Closing the generator, or an
        interrupt, closes the connection, which the server takes as the end of the wish.
        """
        response, address = self._send(method, path, body, params, timeout, start)
        splitter = transport.LineSplitter()
        try:
            with transport.translated(address):
                for chunk in response.iter_bytes():
                    for line in splitter.feed(chunk):
                        yield _checked(line)
            for line in splitter.finish():
                yield _checked(line)
        finally:
            response.close()

    def upload(
        self, path: str, data: bytes | Iterable[bytes], *, params: Params = ()
    ) -> dict[str, Any]:
        """Send bytes as they come, and return the JSON object of the answer.

        Raises OrkeeError as the server says. Leaving it early closes the connection, which
        the server takes as the end of the wish.
        """
        content = data if isinstance(data, bytes) else each(data)
        response, address = self._send(
            "PUT", path, None, params, transport.TRANSFER, content=content
        )
        try:
            with transport.translated(address):
                return transport.decode(response.read())
        finally:
            response.close()

    def download(self, path: str, *, params: Params = ()) -> Generator[bytes]:
        """Yield the bytes of an answer as they come. Raises OrkeeError if it breaks off."""
        response, address = self._send("GET", path, None, params, transport.TRANSFER)
        try:
            with transport.translated(address):
                for chunk in response.iter_bytes():
                    if chunk:
                        yield chunk
        finally:
            response.close()

    def reach(self) -> Address:
        """Return the address of a server that accepts connections, starting one if need be."""
        return (self._open(start=True))[1]

    def broken(self) -> OrkeeError:
        """Return the error for a stream without its last line."""
        return transport.broken(self._address) if self._address else not_understood()

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        http, self._http, self._address = self._http, None, None
        if http is not None:
            http.close()

    def _open(self, start: bool) -> tuple[httpx.Client, Address]:
        # Looked at before anything is sent, so that no request is ever sent twice.
        if self._address is not None and not in_thread(may_answer, self._address):
            self.close()
        if self._http is None or self._address is None:
            address = in_thread(find, self._url, self._token, start=start)
            self._http, self._address = transport.open_http(address), address
        return self._http, self._address

    def _send(
        self,
        method: str,
        path: str,
        body: object,
        params: Params,
        timeout: httpx.Timeout,
        start: bool = True,
        content: bytes | Iterator[bytes] | None = None,
    ) -> tuple[httpx.Response, Address]:
        """Return the open response and the server's address, or raise the server's problem."""
        headers = {"Accept": "application/json" if timeout is transport.CALL else transport.NDJSON}
        if content is not None:
            headers["Content-Type"] = "application/octet-stream"
        elif body is not None:
            content = transport.encode(body)
            headers["Content-Type"] = "application/json"
        options: dict[str, Any] = {"content": content, "headers": headers, "timeout": timeout}
        if params:
            options["params"] = list(params)
        http, address = self._open(start)
        with transport.translated(address):
            request = http.build_request(method, path, **options)
            response = http.send(request, stream=True)
        if not response.is_success:
            self._raise_problem(response, address)
        return response, address

    def _raise_problem(self, response: httpx.Response, address: Address) -> None:
        try:
            with transport.translated(address):
                data = response.read()
        finally:
            response.close()
        raise transport.problem(response, data, address)


def _checked(line: bytes) -> dict[str, Any]:
    value = transport.decode(line)
    transport.raise_problem(value)
    return value
