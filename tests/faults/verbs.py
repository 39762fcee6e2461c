"""The verbs whose steps are walked, the steps of each, and what they leave."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orkee_jupyter.client import OrkeeError
from tests.integration import processes
from tests.integration.world import World

from .scene import Scene

_UP = ("create.engine", "create.link", "create.container", "create.daemon", "create.command")
#: The steps of each verb.
VERBS: dict[str, tuple[str, ...]] = {
    "create": ("row.creating", "create.row", *_UP, "row.active", "create.active"),
    "pause": ("row.paused", "end.commands", "end.container", "end.link"),
    "resume": (*_UP, "row.active", "create.active"),
    "freeze": ("freeze.processes", "row.paused"),
    "thaw": ("thaw.processes", "row.active"),
    "snapshot": ("snapshot.begun", "snapshot.archive", "snapshot.named"),
    "fork": ("fork.source", "row.creating", "create.container", "create.files", "row.active"),
    "failure": ("row.failed",),
    "stop": ("end.commands", "end.container", "end.workspace", "end.link", "row.terminated"),
}


def times(step: str) -> int:
    """Return which time it is that a verb comes by a step: the scene has made a sandbox before."""
    return 2 if step in VERBS["create"] else 1


def require_for(verb: str, world: World) -> None:
    """Leave out, and say so, what this machine cannot do."""
    cgroups = str(world.engine_status().get("cgroups"))
    if verb in ("freeze", "thaw") and (os.geteuid() != 0 or "freezer" not in cgroups):
        pytest.skip("nothing can be frozen here: no cgroup can be written")


def call(scene: Scene, verb: str) -> str:
    """Do what the failpoint lies in; return how it went."""
    try:
        if verb in _PREPARED:
            scene.kept.pause(freeze=verb == "thaw")
        return _VERBS[verb](scene)
    except OrkeeError as error:
        return error.code


_PREPARED = ("resume", "thaw")
_VERBS = {
    "create": lambda scene: str(scene.client.create("debian", name="made").status),
    "pause": lambda scene: str(scene.kept.pause().status),
    "resume": lambda scene: str(scene.kept.resume().status),
    "freeze": lambda scene: str(scene.kept.pause(freeze=True).status),
    "thaw": lambda scene: str(scene.kept.resume().status),
    "snapshot": lambda scene: scene.kept.snapshot("shot").name,
    "fork": lambda scene: str(scene.kept.fork("made").status),
    "failure": lambda scene: str(scene.client.create("debian", command=["false"]).status),
    "stop": lambda scene: str(scene.kept.stop().status),
}


def assert_kept_whole_or_not_at_all(scene: Scene, *, named: bool) -> None:
    """Fail unless a snapshot is there with all its files, or nothing of it; then remove it."""
    folder = scene.world.data / "snapshots"
    files = [path.suffix for path in folder.rglob("*") if path.is_file()]
    shots = [each.name for each in scene.client.snapshots()]
    if not named:
        assert (shots, files) == ([], [])
        return
    assert (shots, sorted(files)) == (["shot"], [".json", ".tar"])
    with scene.client.create(snapshot="shot") as again:
        read = {name: again.files.read(name) for name in scene.written}
        assert read == scene.written
    scene.client.remove_snapshot("shot")


def frozen_groups(scene: Scene) -> list[Path]:
    """Return the cgroups in which containers of the scene's sandboxes are frozen."""
    ids = [str(row["id"]) for row in scene.server.rows()]
    return [
        path for path in processes.frozen_groups() if any(each[:12] in str(path) for each in ids)
    ]
