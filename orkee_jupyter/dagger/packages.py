"""The distribution's packages that the native engine runs with."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ..sandbox.errors import OrkeeError
from ..sandbox.ports import Progress

_SBIN = "/usr/sbin:/sbin"
#: Debian's packages, and a file that tells that each is there.
ENGINE: dict[str, str] = {
    "runc": "runc",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "iptables": "iptables",
    "dnsmasq-base": "dnsmasq",
    "slirp4netns": "slirp4netns",
    "uidmap": "newuidmap",
    "git": "git",
    "iproute2": "ip",
}
#: Those for base images without a registry.
IMAGES: dict[str, str] = {"mmdebstrap": "mmdebstrap", "docker-registry": "docker-registry"}


def missing(wanted: dict[str, str]) -> list[str]:
    """Return the packages of which this machine lacks the program."""
    path = f"{os.environ.get('PATH', '')}:{_SBIN}"
    return [
        package
        for package, sign in wanted.items()
        if not (Path(sign).exists() if sign.startswith("/") else shutil.which(sign, path=path))
    ]


def install(wanted: dict[str, str], progress: Progress) -> None:
    """Install what is missing, as root or by passwordless sudo, after saying so.

    Raises OrkeeError ``no_engine`` whose remedy is the exact line for an administrator.
    """
    needed = missing(wanted)
    if not needed:
        return
    line = f"apt-get install --yes --no-install-recommends {' '.join(needed)}"
    if shutil.which("apt-get") is None:
        raise OrkeeError(
            "no_engine",
            f"These programs are missing: {', '.join(wanted[name] for name in needed)}.",
            "Install them with this machine's package manager.",
            details={"packages": needed},
        )
    prefix = _root_prefix()
    if prefix is None:
        raise OrkeeError(
            "no_engine",
            f"The packages {', '.join(needed)} are missing, and root is needed for them.",
            f"Ask an administrator to run: sudo {line}",
            details={"packages": needed},
        )
    progress(f"installing the packages {', '.join(needed)} (apt-get, as root)")
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    # An old list names versions that are gone: it is refreshed when the first try fails.
    if _run([*prefix, *line.split()], env).returncode != 0:
        _run([*prefix, "apt-get", "update"], env)
        result = _run([*prefix, *line.split()], env)
        if result.returncode != 0:
            raise OrkeeError(
                "no_engine",
                f"The packages could not be installed: {result.stderr.strip()[-300:]}.",
                f"Run it by hand to see why: sudo {line}",
            )


def _root_prefix() -> Sequence[str] | None:
    if os.geteuid() == 0:
        return ()
    if shutil.which("sudo") and _run(["sudo", "-n", "true"], None).returncode == 0:
        # sudo drops the environment, and a question of debconf would wait for ever.
        return ("sudo", "-n", "env", "DEBIAN_FRONTEND=noninteractive")
    return None


def _run(command: Sequence[str], env: dict[str, str] | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
