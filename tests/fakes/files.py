"""The files of a fake container: a dictionary, for the operations that the manager's tests need."""

from __future__ import annotations

import asyncio
import json

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.files import FileRequest, entry_json, file_error
from orkee_jupyter.sandbox.model import FileEntry

OPERATIONS = frozenset({"read", "write", "stat", "list", "remove", "push", "pull"})


class FakeFileStream:
    """A ``FileStream``; a write shows when it is ended, and not at all if it is closed before."""

    def __init__(self, files: dict[str, bytes], request: FileRequest) -> None:
        if request.op not in OPERATIONS:
            raise OrkeeError("invalid_request", f"There is no operation {request.op}.")
        if request.path.startswith("../"):
            raise self._error("invalid_path", request.path)
        whole = request.path == "." and request.op in ("list", "pull")
        if not whole and request.op not in ("write", "push") and request.path not in files:
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
        elif request.op == "pull":  # what was pushed, in two pieces
            archive = files.get(".", b"")
            self._answer = [piece for piece in (archive[:3], archive[3:]) if piece]
        elif request.op == "list":
            self._answer = [_line(name, data) for name, data in files.items() if name != "."]

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


def _line(name: str, data: bytes) -> bytes:
    entry = FileEntry(name, "file", len(data), 0o644, 0.0)
    return json.dumps(entry_json(entry)).encode() + b"\n"
