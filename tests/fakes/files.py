"""The files of a fake container: a dictionary, for the operations that the manager's tests need."""

from __future__ import annotations

import asyncio
import json

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.files import FileRequest, file_error
from orkee_jupyter.sandbox.model import FileEntry

OPERATIONS = frozenset({"read", "write", "stat", "remove", "push"})


class FakeFileStream:
    """A ``FileStream``; a write shows when it is ended, and not at all if it is closed before."""

    def __init__(self, files: dict[str, bytes], request: FileRequest) -> None:
        if request.op not in OPERATIONS:
            raise OrkeeError("invalid_request", f"There is no operation {request.op}.")
        if request.path.startswith("../"):
            raise self._error("invalid_path", request.path)
        if request.op not in ("write", "push") and request.path not in files:
            raise self._error("file_not_found", request.path)
        self._files = files
        self._request = request
        self._data = b""
        self._answer: list[bytes] = []
        self._gone: str | None = None
        self.closed = asyncio.Event()
        self.entry: FileEntry | None = None
        if request.op in ("read", "stat"):
            size = len(files[request.path])
            self.entry = FileEntry(request.path, "file", size, 0o644, 0.0)
        if request.op == "read":
            self._answer = [files[request.path]]
        elif request.op == "remove":
            del files[request.path]

    @staticmethod
    def _error(code: str, path: str) -> OrkeeError:
        error = file_error(code, path)
        assert error is not None
        return error

    async def read(self) -> bytes:
        if self._gone is not None:
            raise OrkeeError("sandbox_lost", f"The sandbox ended: {self._gone}.")
        return self._answer.pop(0) if self._answer else b""

    async def write(self, data: bytes) -> None:
        if self._gone is not None:
            raise OrkeeError("sandbox_lost", f"The sandbox ended: {self._gone}.")
        self._data += data

    async def end_write(self) -> None:
        self._files[self._request.path] = self._data
        received = {"files": 1, "bytes": len(self._data)}
        self._answer = [json.dumps(received).encode() + b"\n"]

    async def close(self) -> None:
        self.closed.set()

    def lose(self, reason: str) -> None:
        """Be gone with the sandbox."""
        self._gone = reason
