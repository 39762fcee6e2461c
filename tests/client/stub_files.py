"""The files of the stub server's sandboxes: a folder on this machine, tarfile for archives."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

from orkee_jupyter.sandbox.errors import OrkeeError

from .stub_server import Base


def entry(path: Path, shown: str) -> dict[str, Any]:
    """Return a file as the server describes it."""
    info = path.lstat()
    kind = "symlink" if path.is_symlink() else "directory" if path.is_dir() else "file"
    return {
        "path": shown,
        "type": kind,
        "size": info.st_size,
        "mode": info.st_mode & 0o777,
        "mtime": info.st_mtime,
        "target": str(path.readlink()) if path.is_symlink() else None,
    }


#: What is packed here is our own. Debian 12's Python 3.11.2 knows no filters yet.
TRUSTED: dict[str, Any] = (
    {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
)


class FileBase(Base):
    def place(self) -> Path:
        """Return where the path of the query is."""
        root = self.stub.files
        return root / self.get_query_argument("path", ".")

    def there(self) -> Path:
        place = self.place()
        if not (place.exists() or place.is_symlink()):
            raise OrkeeError("file_not_found", "There is none in the sandbox.", "Look.")
        return place


class Files(FileBase):
    async def get(self, ref: str) -> None:
        self.stub.find(ref)
        place = self.there()
        itself = entry(place, place.name or ".")
        if self.get_query_argument("list", "1") == "0":
            self.write({"success": True, "entry": itself, "entries": []})
            return
        await self.line({"entry": itself})
        deep = self.get_query_argument("recursive", "0") == "1"
        if place.is_dir():
            for each in place.rglob("*") if deep else place.iterdir():
                await self.line({"file": entry(each, each.relative_to(place).as_posix())})
        if not self.stub.break_files:
            await self.line({"end": "complete"})

    def post(self, ref: str) -> None:
        root = self.stub.files
        if self.body["op"] == "mkdir":
            (root / self.body["path"]).mkdir(parents=True, exist_ok=True)
        else:
            (root / self.body["path"]).rename(root / self.body["to"])
        self.write({"success": True})

    def delete(self, ref: str) -> None:
        place = self.there()
        shutil.rmtree(place) if place.is_dir() else place.unlink()
        self.write({"success": True})


class Content(FileBase):
    def get(self, ref: str) -> None:
        begin = int(self.get_query_argument("offset", "0"))
        length = int(self.get_query_argument("length", "0"))
        data = self.there().read_bytes()[begin:]
        self.write(data[:length] if length else data)

    def put(self, ref: str) -> None:
        place = self.place()
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(self.request.body)
        place.chmod(int(self.get_query_argument("mode", "0644"), 8))
        self.write({"success": True, "received": {"files": 1, "bytes": len(self.request.body)}})


class Archive(FileBase):
    async def get(self, ref: str) -> None:
        data = self.stub.archive or self.pack(self.there())
        self.set_header("Content-Length", str(len(data)))
        half = len(data) // 2
        self.write(data[:half])
        await self.flush()
        if self.stub.break_files:
            return self.break_off()
        self.write(data[half:])

    def pack(self, place: Path) -> bytes:
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
            tar.add(place, "." if place.is_dir() else place.name)
        return data.getvalue()

    def put(self, ref: str) -> None:
        place = self.place()
        place.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BytesIO(self.request.body)) as tar:
            members = tar.getmembers()
            tar.extractall(place, **TRUSTED)
        files = [each for each in members if not each.isdir()]
        sizes = sum(each.size for each in files)
        self.write({"success": True, "received": {"files": len(files), "bytes": sizes}})


class Watch(FileBase):
    async def get(self, ref: str) -> None:
        await self.line({"event": "created", "path": "a"})
        await self.line({"end": "removed"})


class Start(FileBase):
    def post(self, ref: str) -> None:
        if self.stub.fail_start is not None:
            raise self.stub.fail_start
        self.write(json.dumps({"success": True, "sandbox": self.stub.find(ref)}))
