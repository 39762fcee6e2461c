"""A Dagger engine in Docker, made without a registry.

``python -m scripts.docker_engine run CMD…`` or ``try CMD…``, which is content where there can
be no Docker, and says why.

The image is a Debian root (mmdebstrap) with the programs that `make setup` built for the native
engine; the base images are served inside by the same registry folder. The command runs with
``ORKEE_TEST_RUNNER`` set to the engine's address; then engine and daemon are gone again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from orkee_jupyter import paths
from orkee_jupyter.dagger import install, packages, toolchain
from orkee_jupyter.sandbox.errors import OrkeeError
from scripts.docker_daemon import Docker, DockerError

IMAGE = "orkee-engine"
#: What names the engine to the tests.
VARIABLE = "ORKEE_TEST_RUNNER"
READY = 60.0  # seconds
_ATTEMPTS = 3
_PACKAGES = (
    "runc,containernetworking-plugins,iptables,dnsmasq-base,git,iproute2,ca-certificates,"
    "docker-registry,tini"
)
_DIAL = "github.com/dagger/dagger/cmd/dialstdio"
_FILES = Path(__file__).with_name("docker_engine_files")  # what the image has of ours
_NEW = ("PERFMON", "BPF", "CHECKPOINT_RESTORE")  # Docker 20.10 knows none of them
_PROGRAMS = ("dagger-engine", "dagger-init", "dnsname")


def run(docker: Docker, name: str, image: str) -> None:
    """Start the engine and wait until it answers; raises DockerError with its last words."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _run(docker, name, image)
        except DockerError:
            # On a busy machine dnsmasq may write its pid file later than the engine reads it.
            if attempt == _ATTEMPTS:
                raise
    return None


def _run(docker: Docker, name: str, image: str) -> None:
    docker("rm", "--force", "--volumes", name, check=False)
    registry = paths.data_dir() / "registry"
    common = ["run", "--detach", "--name", name, "--volume", "/var/lib/dagger"]
    if (registry / "docker").is_dir():
        common += ["--volume", f"{registry}:/registry:ro"]
    # Privileged, as the SDK runs the engine's own image. Where this machine lacks a capability
    # that is refused: then all that it has, and each fence taken away by itself.
    tried = docker(*common, "--privileged", image, check=False)
    if tried.returncode:
        docker("rm", "--force", "--volumes", name, check=False)
        docker(*common, *_by_hand(), image)
    deadline = time.monotonic() + READY
    while docker("exec", name, "test", "-S", "/run/dagger/engine.sock", check=False).returncode:
        if time.monotonic() > deadline or not _runs(docker, name):
            said = docker("logs", "--tail", "5", name, check=False).stderr.strip()[-500:]
            docker("rm", "--force", "--volumes", name, check=False)
            raise DockerError(f"the engine did not start in Docker: {said}")
        time.sleep(0.1)


def _runs(docker: Docker, name: str) -> bool:
    state = docker("inspect", "--format", "{{.State.Running}}", name, check=False)
    return state.stdout.strip() == "true"


def _by_hand() -> list[str]:
    """Return what privileged means, with the capabilities that this machine has."""
    names = _capabilities()
    return [
        *(f"--cap-add={name}" for name in names),
        *("--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"),
        *("--security-opt=systempaths=unconfined", "--cgroupns=host"),
        *("--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
        *("--device-cgroup-rule=a *:* rwm",),
    ]


def _capabilities() -> list[str]:
    """Return the capabilities that this process may have and that old Dockers know."""
    shown = subprocess.run(
        ["capsh", "--print"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"},
    ).stdout
    line = next(line for line in shown.splitlines() if line.startswith("Bounding set"))
    names = [name.removeprefix("cap_").upper() for name in line.partition("=")[2].split(",")]
    return [name for name in names if name not in _NEW]


def build(docker: Docker) -> str:
    """Make the engine's image unless it is there; return its name."""
    tag = f"{IMAGE}:{_digest()}"
    if docker("image", "inspect", tag, check=False).returncode == 0:
        return tag
    packages.install({"mmdebstrap": "mmdebstrap"}, print)
    old = docker("image", "ls", "--quiet", IMAGE).stdout.split()
    with tempfile.TemporaryDirectory(dir=docker.folder, prefix="build-") as folder:
        context = Path(folder)
        root = docker.folder / f"debian-{hashlib.sha256(_PACKAGES.encode()).hexdigest()[:12]}.tar"
        if not root.exists():
            print("docker: making a Debian root for the engine: half a minute", flush=True)
            _mmdebstrap(root)
        os.link(root, context / "root.tar")
        for name in _PROGRAMS:
            shutil.copy(paths.engine_dir() / "bin" / name, context / name)
        _build_dial(context / "buildctl")
        for file in _FILES.iterdir():
            shutil.copy(file, context / file.name)
        docker("build", "--quiet", "--network", "none", "--tag", tag, str(context), timeout=300)
    if old:
        docker("image", "rm", "--force", *dict.fromkeys(old), check=False)
    return tag


def _digest() -> str:
    digest = hashlib.sha256(_PACKAGES.encode())
    for path in sorted(_FILES.iterdir()):
        digest.update(path.read_bytes())
    for name in _PROGRAMS:
        with (paths.engine_dir() / "bin" / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def _mmdebstrap(target: Path) -> None:
    aside = target.with_suffix(".new.tar")
    command = ["mmdebstrap", "--quiet", "--variant=essential", f"--include={_PACKAGES}"]
    command += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")]
    mirror = os.environ.get("ORKEE_DEBIAN_MIRROR")
    command += ["bookworm", str(aside), *([mirror] if mirror else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DockerError(f"mmdebstrap made no root: {done.stderr.strip()[-300:]}")
    aside.rename(target)


def _build_dial(target: Path) -> None:
    """Build what the Dagger command runs in the container to reach the engine."""
    go = toolchain.find_go(print)
    command = [str(go), "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"]
    done = subprocess.run(
        [*command, "-o", str(target), _DIAL],
        cwd=install.source_dir(),
        env=toolchain.environment(go),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DockerError(f"building dialstdio failed: {done.stderr.strip()[-300:]}")


@contextmanager
def engine(docker: Docker, name: str) -> Iterator[Mapping[str, str]]:
    """Keep an engine in Docker up while the block runs; yields the environment that names it."""
    with docker.up():
        run(docker, name, build(docker))
        try:
            yield docker.env | {VARIABLE: f"docker-container://{name}"}
        finally:
            docker("rm", "--force", "--volumes", name, check=False)


def main(words: list[str]) -> int:
    """Run a command with an engine in Docker; return its exit code."""
    verb, *command = words
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and everything ends in order
    try:
        docker = Docker()
        with engine(docker, f"{IMAGE}-{os.getpid()}") as env:
            path = f"{Path(sys.executable).parent}:{env['PATH']}"
            return subprocess.run(command, env={**env, "PATH": path}, check=False).returncode
    except (DockerError, OrkeeError) as error:
        cause = (error.cause if isinstance(error, OrkeeError) else str(error)).rstrip(".")
        if verb == "try":
            print(f"NOT TESTED on an engine in Docker: {cause}.", flush=True)
            return 0
        print(f"docker: {cause}.", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
