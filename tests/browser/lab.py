"""A real JupyterLab, quiet: without news, tours, and saves of its own accord."""

from __future__ import annotations

import json
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.integration.servers import TOKEN, Server
from tests.integration.world import ROOT, World

LIGHT = "JupyterLab Light"
DARK = "JupyterLab Dark"
HIGH_CONTRAST = "JupyterLab Dark High Contrast"
#: Settings that every page begins with.
QUIET: dict[str, dict[str, Any]] = {
    "@jupyterlab/apputils-extension/notification": {
        "checkForUpdates": False,
        "fetchNews": "false",
    },
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
    "@jupyterlab/completer-extension/manager": {"autoCompletion": False},
}
THEMES = "@jupyterlab/apputils-extension/themes"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def free_port() -> int:
    """Return a port that nobody listens on, for a server that comes back where it was."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Lab(Server):
    """``jupyter lab`` with a root folder, settings and a port of its own."""

    program = "jupyterlab"

    def __init__(self, world: World, name: str, *options: str) -> None:
        super().__init__(
            world,
            name,
            f"--LabApp.user_settings_dir={world.folder}/projects/{name}/settings",
            f"--LabApp.workspaces_dir={world.folder}/projects/{name}/workspaces",
            "--LabApp.news_url=None",
            f"--LabApp.extra_labextensions_path={world.folder}/labextensions",
            "--ServerApp.port_retries=0",
            "--OrkeeExtension.log_level=20",
            "--OrkeeExtension.reap_interval=0.5",
            *options,
        )
        self.port = free_port()
        # The working copy's own build, whatever else is installed.
        (world.folder / "labextensions").mkdir(exist_ok=True)
        link = world.folder / "labextensions" / "orkee-jupyter"
        if not link.is_symlink():
            link.symlink_to(ROOT / "orkee_jupyter" / "labextension")
        self.root.mkdir()
        self.use_theme(LIGHT)

    @property
    def root(self) -> Path:
        return self.project / "notebooks"

    def set(self, plugin: str, settings: dict[str, Any]) -> None:
        """Write the settings of a plugin for the pages that are opened from now on."""
        file = self.project / "settings" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings))

    def use_theme(self, theme: str) -> None:
        """Set what is quiet, and the theme, for the pages that are opened from now on."""
        for plugin, settings in QUIET.items():
            self.set(plugin, settings)
        self.set(THEMES, {"theme": theme})

    def write_notebook(self, name: str, *cells: str) -> None:
        """Put a notebook into the root folder."""
        book = {
            "cells": [
                {
                    "cell_type": "code",
                    "execution_count": None,
                    "id": f"cell-{number}",
                    "metadata": {},
                    "outputs": [],
                    "source": source,
                }
                for number, source in enumerate(cells)
            ],
            "metadata": {"kernelspec": KERNEL, "language_info": {"name": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        (self.root / name).write_text(json.dumps(book))

    def page_url(self, path: str = "") -> str:
        """Return the address of a page with an empty workspace, with a login in it."""
        return f"{self.url}lab{path}?reset&token={TOKEN}"

    def write_template(self, name: str, **keys: Any) -> None:
        """Put a template into the project; its values are texts, numbers, and lists of them."""
        folder = self.root / ".orkee" / "templates"
        folder.mkdir(parents=True, exist_ok=True)
        # Of these, JSON is TOML.
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in keys.items()]
        (folder / f"{name}.toml").write_text("\n".join(lines))

    def workspaces(self) -> str:
        """Return what is kept of the pages' layouts."""
        folder = self.project / "workspaces"
        return "".join(each.read_text() for each in folder.glob("*.jupyterlab-workspace"))

    def ask(self, method: str, path: str, **arguments: Any) -> Any:
        """Make a request of the REST interface, which must go well; return its JSON."""
        with self.http() as http:
            answer = http.request(method, path, **arguments)
        assert answer.is_success, answer.text
        return answer.json()

    def create(self, **body: Any) -> dict[str, Any]:
        """Create a sandbox by REST."""
        row: dict[str, Any] = self.ask("POST", "sandbox", json=body)["sandbox"]
        return row

    def active(self) -> list[dict[str, Any]]:
        """Return the sandboxes that have not ended."""
        return self.rows(status="creating,active,paused")

    def failed(self, template: str) -> list[dict[str, Any]]:
        """Return the failed sandboxes of a template."""
        return [row for row in self.rows(status="failed") if row["template"] == template]

    def clear(self) -> None:
        """Stop every sandbox and kernel, and empty the root folder: the next test begins anew."""
        with self.http() as http, ThreadPoolExecutor(8) as pool:
            paths = [f"sandbox/{row['id']}" for row in self.active()]
            for answer in pool.map(http.delete, paths):
                assert answer.status_code in (200, 404, 409), answer.text
        for kind in ("sessions", "kernels", "terminals"):
            for each in self.api("GET", kind):
                name = each["name"] if kind == "terminals" else each["id"]
                with suppress(OSError):  # it has ended by itself
                    self.api("DELETE", f"{kind}/{name}")
        for entry in self.root.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
