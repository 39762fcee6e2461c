"""``orkee engine images``: base images where no image registry can be reached.

Stand-ins are made from Debian packages by mmdebstrap, labelled as what they
are, and pushed through the engine into Debian's docker-registry, which runs
inside the engine's namespaces as the mirror of docker.io. Who uses an image
sees no difference.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dagger
import httpx

from .. import paths
from ..sandbox.errors import OrkeeError
from ..sandbox.ports import Progress
from . import choice, packages
from .failures import translate
from .native import NativeEngine
from .oci import write_archive
from .session import Session, SessionConfig

SUITE = "bookworm"
REGISTRY = "127.0.0.1:5000"  # inside the engine's network namespace
LABEL = "io.orkee.stand-in"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PUBLIC = "https://registry-1.docker.io/v2/"
_PUSH_TIMEOUT = 300.0  # seconds


@dataclass(frozen=True, slots=True)
class StandIn:
    """How an image is made: Debian packages beside the essential ones."""

    name: str
    include: tuple[str, ...]
    command: tuple[str, ...]
    hooks: tuple[str, ...] = ()


STAND_INS = (
    StandIn("node:18-alpine", ("nodejs", "ca-certificates"), ("node",)),
    StandIn(
        "python:3.11-slim",
        ("python3", "python3-pip", "ca-certificates"),
        ("python3",),
        ('ln -s python3 "$1/usr/bin/python"',),
    ),
    StandIn("debian:bookworm-slim", ("apt", "ca-certificates"), ("bash",)),
)


async def registry_answers() -> bool:
    """Say whether a public registry can be reached from here (waits 4 s at most)."""
    try:
        async with httpx.AsyncClient(timeout=4.0) as client:
            answer = await client.get(_PUBLIC)
    except (httpx.HTTPError, OSError):
        return False
    return answer.status_code in (200, 401)


async def build(progress: Progress, names: Sequence[str] = (), *, force: bool = False) -> list[str]:
    """Build the stand-ins that are missing and serve them; return the names of those built.

    Does nothing where a public registry answers, unless ``names`` asks for some.
    Raises OrkeeError ``unknown_image`` for a name that has no stand-in, ``no_engine``.
    """
    wanted = _wanted(names)
    if not names and await registry_answers():
        progress("a registry answers: stand-ins are not needed")
        return []
    packages.install(packages.ENGINE | packages.IMAGES, progress)
    native = NativeEngine()
    ran_before = (await native.status()).get("ready", False)
    await native.start(progress)
    try:
        return await _build_missing(native, wanted, progress, force=force)
    finally:
        if not ran_before:
            await native.stop()


async def _build_missing(
    native: NativeEngine, wanted: Sequence[StandIn], progress: Progress, *, force: bool
) -> list[str]:
    log = paths.data_dir() / "logs" / f"images-{os.getpid()}.log"
    command = choice.cli()
    if command is None:
        raise OrkeeError("no_engine", "There is no dagger command.", choice.INSTALL)
    config = SessionConfig(command, native.runner_host, log)
    async with native.lease():
        session = await Session.start(config, lambda _: None)
        try:
            client = session.client
            todo = [each for each in wanted if force or not await _served(client, each.name)]
            if not todo:
                progress("all stand-ins are there")
            for stand_in in todo:
                await _make(client, stand_in, progress)
            return [each.name for each in todo]
        finally:
            await session.close()


def _wanted(names: Sequence[str]) -> list[StandIn]:
    known = {each.name: each for each in STAND_INS}
    for name in names:
        if name not in known:
            raise OrkeeError(
                "unknown_image",
                f"There is no stand-in for {name!r}.",
                f"There are {', '.join(known)}.",
            )
    return [known[name] for name in dict.fromkeys(names)] or list(STAND_INS)


async def _served(client: dagger.Client, name: str) -> bool:
    try:
        async with asyncio.timeout(30.0):
            await client.container().from_(_reference(name)).sync()
    except dagger.QueryError:
        return False
    except (dagger.DaggerError, TimeoutError, OSError) as error:
        raise translate(error) from error
    return True


def _reference(name: str) -> str:
    return f"{REGISTRY}/library/{name}"


async def _make(client: dagger.Client, stand_in: StandIn, progress: Progress) -> None:
    progress(f"building a stand-in for {stand_in.name} from Debian packages: about a minute")
    with tempfile.TemporaryDirectory(prefix="orkee-image-") as folder:
        root, archive = Path(folder) / "root.tar", Path(folder) / "image.tar"
        await _mmdebstrap(stand_in, root)
        await asyncio.to_thread(
            write_archive,
            root,
            archive,
            env=[_PATH],
            command=stand_in.command,
            labels={LABEL: f"made from Debian {SUITE} packages in place of {stand_in.name}"},
        )
        progress(f"storing {stand_in.name}")
        try:
            async with asyncio.timeout(_PUSH_TIMEOUT):
                await (
                    client.container()
                    .import_(client.host().file(str(archive)))
                    .publish(_reference(stand_in.name))
                )
        except (dagger.DaggerError, TimeoutError, OSError) as error:
            raise translate(error) from error


async def _mmdebstrap(stand_in: StandIn, target: Path) -> None:
    command = [
        shutil.which("mmdebstrap") or "mmdebstrap",
        "--quiet",
        "--variant=essential",
        f"--include={','.join(stand_in.include)}",
        # Documentation and translations are a third of the image.
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        *(f"--customize-hook={hook}" for hook in stand_in.hooks),
        SUITE,
        str(target),
    ]
    mirror = os.environ.get("ORKEE_DEBIAN_MIRROR")
    process = await asyncio.create_subprocess_exec(
        *command,
        *([mirror] if mirror else []),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"},
    )
    try:
        _, output = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()  # it takes down what it mounted
            await process.wait()
    if process.returncode != 0:
        said = output.decode(errors="replace")[-400:].strip().rstrip(".")
        raise OrkeeError(
            "unknown_image",
            f"mmdebstrap could not build {stand_in.name}: {said or 'it said nothing'}.",
            "Check that Debian's packages can be reached from here.",
        )
