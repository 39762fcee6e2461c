"""A workspace that begins as a copy of a folder of the server's."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth.authorizer import AllowAllAuthorizer

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.server.project_folder import archive, inside
from tests.server.conftest import Running


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a root folder with a project in it, and something beside it."""
    project = tmp_path / "root" / "projects" / "app"
    project.mkdir(parents=True)
    (project / "main.js").write_text("1")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("k")
    return tmp_path / "root"


def test_a_folder_is_named_from_the_root_or_by_its_whole_path(root: Path) -> None:
    wanted = root / "projects" / "app"
    for given in ("projects/app", "/projects/app", "projects/../projects/app/", str(wanted)):
        assert inside(root, given) == wanted.resolve()
    assert inside(root, ".") == inside(root, "") == root.resolve()


@pytest.mark.parametrize(
    "given",
    [
        "../secret",
        "projects/../../secret",
        "projects/out",
        "projects/app/main.js",
        "nope",
        "/etc",
        "a\0b",
        "loop",
    ],
)
def test_what_is_not_a_folder_inside_is_refused(root: Path, given: str) -> None:
    (root / "projects" / "out").symlink_to(root.parent / "secret")
    (root / "loop").symlink_to(root / "loop")
    with pytest.raises(OrkeeError) as caught:
        inside(root, given)
    assert caught.value.code == "invalid_project_folder"
    assert caught.value.remedy


def test_a_link_that_stays_inside_is_followed_to_the_folder_itself(root: Path) -> None:
    (root / "alias").symlink_to("projects/app")
    assert inside(root, "alias") == (root / "projects" / "app").resolve()


@pytest.mark.asyncio
async def test_what_is_ignored_stays_behind_and_links_stay_links(root: Path) -> None:
    project = root / "projects" / "app"
    (project / ".gitignore").write_text("*.log\nnode_modules/\n")
    (project / ".orkeeignore").write_text("data\n!kept.log\n")
    for name in ("a.log", "kept.log", "data", "node_modules/x", ".git/config"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(name)
    (project / "out").symlink_to("/etc/passwd")
    data = b"".join([piece async for piece in archive(project)])
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = {member.name for member in tar if not member.issym()}
        assert names == {".gitignore", ".orkeeignore", "main.js", "kept.log"}
        assert tar.getmember("out").linkname == "/etc/passwd"


@pytest.mark.asyncio
async def test_a_create_gives_the_manager_the_folders_archive(server: Running) -> None:
    folder = Path(server.app.root_dir) / "project"
    folder.mkdir()
    (folder / "x").write_text("1")
    answer = await server.http.post("/sandbox", json={"project_folder": "project"})
    assert answer.status_code == 201, answer.text
    with tarfile.open(fileobj=io.BytesIO(server.manager.filled)) as tar:
        assert tar.getnames() == ["x"]


@pytest.mark.asyncio
async def test_a_folder_outside_is_refused_before_there_is_a_sandbox(server: Running) -> None:
    answer = await server.http.post("/sandbox", json={"project_folder": "../.."})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_project_folder")
    assert server.manager.calls == []


@pytest.mark.asyncio
async def test_who_may_not_read_the_servers_files_cannot_copy_them(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_contents(self: Any, handler: Any, user: Any, action: str, resource: str) -> bool:
        return resource != "contents"

    monkeypatch.setattr(AllowAllAuthorizer, "is_authorized", no_contents)
    answer = await server.http.post("/sandbox", json={"project_folder": "."})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert server.manager.calls == []
