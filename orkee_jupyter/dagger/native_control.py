"""The control socket of the native engine's supervisor: one line of JSON asks, one answers."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_ANSWER_LIMIT: Final = 64 * 1024
_FILE_LIMIT: Final = 4


class ControlSocket:
    """Asks the supervisor behind the socket at ``path``.

    Every method raises OSError if no supervisor is there or it ends before it has answered.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def ask(
        self, op: str, timeout: float | None = None
    ) -> tuple[Mapping[str, Any], list[int]]:
        """Return the answer and the descriptors that came with it, which the caller closes.

        Raises TimeoutError (which is an OSError too) after ``timeout`` seconds.
        """
        with await self._connect() as connection:
            async with asyncio.timeout(timeout):
                return await _exchange(connection, op)

    async def hold(self, op: str) -> socket.socket:
        """Return the connection on which ``op`` was answered; it counts until it is closed."""
        return (await self.converse(op))[1]

    async def converse(
        self, op: str, params: Mapping[str, Any] | None = None
    ) -> tuple[Mapping[str, Any], socket.socket]:
        """Return the answer to ``op`` and the connection, on which it counts until it is closed."""
        connection = await self._connect()
        try:
            answer, files = await _exchange(connection, op, params)
        except BaseException:
            connection.close()
            raise
        close_files(files)
        return answer, connection

    async def until_closed(self, op: str) -> None:
        """Ask for ``op`` and return when the supervisor has ended."""
        with await self.hold(op) as connection:
            loop = asyncio.get_running_loop()
            try:
                while await loop.sock_recv(connection, 4096):
                    pass
            except ConnectionResetError:
                return

    async def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, str(self._path))
        except BaseException:
            connection.close()
            raise
        return connection


async def _exchange(
    connection: socket.socket, op: str, params: Mapping[str, Any] | None = None
) -> tuple[Mapping[str, Any], list[int]]:
    """Send a request; return the one line of the answer and its descriptors."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connection, json.dumps({**(params or {}), "op": op}).encode() + b"\n")
    line, files = b"", list[int]()
    try:
        while not line.endswith(b"\n"):
            data, got = await _receive(loop, connection)
            files += got
            line += data
            if not data or len(line) > _ANSWER_LIMIT:
                raise ConnectionResetError("the supervisor ended")
        answer = json.loads(line)
        if not isinstance(answer, dict):
            raise ConnectionResetError("the supervisor's answer is no object")
    except BaseException:
        close_files(files)
        raise
    return answer, files


async def _receive(
    loop: asyncio.AbstractEventLoop, connection: socket.socket
) -> tuple[bytes, list[int]]:
    """Return what can be read, waiting until there is something."""
    readable = asyncio.Event()
    loop.add_reader(connection, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(connection)
    data, files, _, _ = socket.recv_fds(
        connection, _ANSWER_LIMIT, _FILE_LIMIT, socket.MSG_CMSG_CLOEXEC
    )
    return data, files


def close_files(files: list[int]) -> None:
    """Close descriptors that nobody wants."""
    for file in files:
        os.close(file)
