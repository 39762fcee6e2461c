"""What the figures were measured on: nothing that tells which machine or whose."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import Any

import psutil

from scripts.docker_daemon import Docker, DockerError


def facts(docker: Docker) -> dict[str, Any]:
    """Return processor, memory, versions, load and date."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": {
            **{name: _version(name) for name in ("orkee-jupyter", "dagger-io", "testcontainers")},
            "docker": _docker(docker),
        },
        "load_before": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        found = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
        if found:
            return found[1]
    return platform.machine()


def _version(name: str) -> str | None:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(name)
    return None


def _docker(docker: Docker) -> str | None:
    if not docker.running():
        return None
    with contextlib.suppress(DockerError):
        return docker("version", "--format", "{{.Server.Version}}").stdout.strip()
    return None
