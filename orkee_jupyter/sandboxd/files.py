"""Operations on files in a sandbox: what is done over a files stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from ..sandbox.errors import OrkeeError
from ..sandbox.files import FileRequest, decode_entry, file_error
from ..sandbox.model import FileEntry
from . import frames
from .connection import Connection
from .execute import start_error
from .frames import ProtocolError
from .stream import PIECE, Stream

#: What the daemon may send ahead: more than elsewhere, for a disk answers in bursts.
FILE_WINDOW: Final = 4 * 1_048_576
#: Operations whose answer tells of the path itself.
_TELLING: Final = frozenset({"stat", "list", "read", "pull"})
_FIELDS: Final = ("recursive", "parents", "follow", "exclusive", "overwrite", "offset", "length")


class FileStream(Stream):
    """An operation under way; see :class:`orkee_jupyter.sandbox.ports.FileStream`."""

    channels = frozenset({frames.STDOUT})
    ends = channels

    def __init__(
        self, connection: Connection, request: FileRequest, window: int = FILE_WINDOW
    ) -> None:
        self.entry: FileEntry | None = None
        self._request = request
        self._ended_here = False
        self._pieces: deque[bytes | bytearray] = deque()
        self._small: bytearray | None = None  # the last of them, if more can be joined to it
        self._cost = 0  # credit that the waiting pieces took
        super().__init__(connection, self._refusal, window)

    def _refusal(self, code: str, message: str) -> OrkeeError:
        path = self._request.to or self._request.path
        return file_error(code, path, message) or start_error(code, message)

    async def start(self, timeout: float) -> None:
        """Have the operation begun. Raises what the daemon refuses it with."""
        request = self._request
        wanted: dict[str, Any] = {"kind": "files", "op": request.op, "path": request.path}
        for name in _FIELDS:
            if value := getattr(request, name):
                wanted[name] = value
        if request.to:
            wanted["to"] = request.to
        if request.mode is not None:
            wanted["mode"] = request.mode
        await self.open(wanted, timeout)

    def check_opened(self, body: Mapping[str, Any]) -> None:
        """Take what OPENED says of the path."""
        if self._request.op in _TELLING:
            try:
                self.entry = decode_entry(body.get("entry"))
            except ValueError as error:
                raise ProtocolError(f"it described a file wrongly: {error}") from error

    def _take_data(self, payload: memoryview) -> None:
        # As the base does, but with one copy: here go gigabytes. Small frames are joined,
        # so that the count of objects stays bounded too.
        if frames.decode_channel(payload) != frames.STDOUT or frames.STDOUT in self._ended:
            raise ProtocolError("it sent data on a closed channel")
        self.spend(len(payload))
        if self._small is not None and len(self._small) + len(payload) <= PIECE:
            self._small += payload[1:]
        elif len(payload) < PIECE // 4:
            self._small = bytearray(payload[1:])
            self._pieces.append(self._small)
        else:
            self._small = None
            self._pieces.append(bytes(payload[1:]))
        self._cost += len(payload)
        self._changed.set()

    def take_end(self, channel: int) -> None:
        """End: the operation is done."""
        self.settle()
        self._connection.finish()

    async def read(self) -> bytes:
        """Return the next bytes, b"" at the proper end. Raises what broke the operation."""
        while not self._pieces:
            if self._over:
                if self._error is not None:
                    raise self._error
                return b""
            self._changed.clear()
            await self._changed.wait()
        piece = self._pieces.popleft()
        if piece is self._small:
            self._small = None
        if self._cost:
            # Small frames cost more than their bytes: with the last piece all is given back.
            cost = min(self._cost, len(piece)) if self._pieces else self._cost
            self._cost -= cost
            self.give_back(cost)
        return piece if isinstance(piece, bytes) else bytes(piece)

    async def write(self, data: bytes) -> None:
        """Send bytes; waits while the daemon is busy. Raises what broke the operation."""
        await self.send(frames.STDIN, data)
        if self._error is not None:
            raise self._error

    async def end_write(self) -> None:
        """Say that all was sent. May be called twice."""
        if not self._ended_here:
            self._ended_here = True
            await self.end(frames.STDIN)

    async def close(self) -> None:
        """Break the operation off if it is not done, and free it. May be called twice."""
        self.reset("cancelled")
