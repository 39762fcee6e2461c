"""Where the integration tests live: folders and an engine of their own.

The engine's programs and images are those that ``make setup`` made; its state, its sockets
and its containers are the tests' own, so that no test touches what the user is running.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from orkee_jupyter import paths
from orkee_jupyter.dagger.native import NativeEngine
from orkee_jupyter.dagger.session import Session, SessionConfig
from tests.runner import RUNNER

ROOT = Path(__file__).parents[2]
#: What would lead a server or client of ours to an engine or server that is not the tests'.
_NOT_OURS = ("ORKEE_", "JPY_", "JUPYTER", "XDG_", "DAGGER_", "_EXPERIMENTAL_DAGGER_", "OTEL_")
#: Seconds that the tests' engine outlives its last user; a crashed run leaves none for long.
_IDLE = 60.0


class World:
    """The folders of a test run, all below one short path."""

    def __init__(self) -> None:
        # A socket's path takes at most 107 bytes, and pytest's own folders are longer.
        self.folder = Path(tempfile.mkdtemp(prefix="orkee-it-"))
        self.folder.chmod(0o755)
        for name in ("data", "run", "config", "jupyter", "projects"):
            (self.folder / name).mkdir(mode=0o700)
        installed = paths.data_dir()
        self.data = self.folder / "data" / paths.APP
        self.engine_dir = self.data / f"engine-{paths.ENGINE_VERSION}"
        self.engine_dir.mkdir(mode=0o700, parents=True)
        if RUNNER is None:
            (self.engine_dir / "bin").symlink_to(paths.engine_dir() / "bin")
        else:  # the command alone: the native engine must not step in for the other
            (self.engine_dir / "bin").mkdir()
            (self.engine_dir / "bin" / "dagger").symlink_to(paths.engine_dir() / "bin" / "dagger")
        if (installed / "registry").is_dir():
            (self.data / "registry").symlink_to(installed / "registry")

    @property
    def env(self) -> dict[str, str]:
        """The environment of every process of the tests."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_OURS)}
        if RUNNER is not None:
            kept["ORKEE_RUNNER_HOST"] = RUNNER
        return kept | {
            "XDG_DATA_HOME": str(self.folder / "data"),
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "JUPYTER_CONFIG_DIR": str(self.folder / "jupyter" / "config"),
            "JUPYTER_DATA_DIR": str(self.folder / "jupyter" / "data"),
            "JUPYTER_RUNTIME_DIR": str(self.folder / "jupyter" / "run"),
            "IPYTHONDIR": str(self.folder / "jupyter" / "ipython"),
            "PYTHONUNBUFFERED": "1",
        }

    @property
    def sockets(self) -> Path:
        """The folder of the servers' sockets."""
        return self.folder / "run" / "orkee"

    def engine(self) -> NativeEngine:
        """Return the tests' engine, as the servers have it."""
        return NativeEngine(
            engine_dir=self.engine_dir,
            registry_dir=self.data / "registry",
            socket_dir=self.sockets / "engine",
            idle_timeout=_IDLE,
        )

    @property
    def runner_host(self) -> str:
        """The address of the engine that the servers use."""
        return RUNNER or self.engine().runner_host

    def start_engine(self) -> None:
        """Start the engine, so that the first test does not pay for it."""
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        if RUNNER is None:
            asyncio.run(self.engine().start())
        elif RUNNER.startswith("docker-container://"):
            self.docker("start")
            asyncio.run(self._until_dialled())

    async def _until_dialled(self) -> None:
        """Wait until an engine in Docker serves: a session can be had."""
        config = SessionConfig(self.engine().cli, self.runner_host, self.folder / "start.log")
        await (await Session.start(config, lambda _: None)).close()

    def stop_engine(self) -> None:
        """Stop the native engine; the next create starts it again."""
        asyncio.run(self.engine().stop())

    def engine_status(self) -> Mapping[str, object]:
        """Return what the native engine's supervisor says."""
        return asyncio.run(self.engine().status())

    def docker(self, verb: str) -> None:
        """Have Docker do something to the container of the engine: kill, start, pause."""
        assert RUNNER is not None, "this is for an engine in Docker"
        name = RUNNER.removeprefix("docker-container://")
        subprocess.run(["docker", verb, name], capture_output=True, check=True, timeout=60)

    def remove(self) -> None:
        """Remove the engine's state, whose files belong to ids lent to the user, and the rest."""
        if RUNNER is None:
            asyncio.run(self.engine().purge())
        shutil.rmtree(self.folder)
