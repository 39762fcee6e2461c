"""The disk that the engine keeps its state on is full: containers, layers and workspaces."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from orkee_jupyter.client import OrkeeError, Sandbox
from tests.integration.processes import kill, until

from .scene import Scene, Start
from .small_disk import SmallDiskWorld
from .table import Row

pytestmark = [pytest.mark.faults, pytest.mark.engine, pytest.mark.slow, pytest.mark.native]
MIB = 1 << 20
#: A set-up whose layer does not fit.
LARGE = 'image = "debian:bookworm-slim"\nsetup = ["cat /dev/zero > /large"]\n'


@pytest.fixture(scope="module")
def world() -> Iterator[SmallDiskWorld]:
    """Give an engine of its own, on a small disk."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk for the engine")
    made = SmallDiskWorld()
    try:
        made.start_engine()
        yield made
    finally:
        made.remove()


def fill(scene: Scene, world: SmallDiskWorld) -> Sandbox:
    """Fill the disk from inside a sandbox, and return that."""
    filler = scene.client.create("debian", name="filler")
    full = filler.exec("cat /dev/zero > fill")
    assert (full.ok, "No space left" in full.stderr) == (False, True), full
    assert world.free() < MIB
    return filler


def refused(call: Callable[[], object]) -> str:
    """Return the code with which a call is refused."""
    with pytest.raises(OrkeeError) as caught:
        call()
    return caught.value.code


@pytest.mark.parametrize("engine", ["lives", "is killed"])
@pytest.mark.timeout(300)
def test_a_workspace_fills_it(
    world: SmallDiskWorld, own_server: Start, row: Row, engine: str
) -> None:
    row.fault, row.moment = "the engine's disk filled by a sandbox", f"the engine {engine}"
    row.promise = "creates get `disk_full`, writes are refused, a stop frees it, files stay"
    scene = Scene(world, own_server)
    filler = fill(scene, world)
    if engine == "is killed":
        kill(int(str(world.engine_status()["engine_pid"])))
        until(lambda: scene.kept.refresh().status == "paused", 20, what="a notice of it")
    else:
        assert refused(lambda: scene.kept.files.write("more", b"x" * 50 * MIB)) == "disk_full"
        assert scene.kept.exec("echo on").stdout == "on\n"
        for template in ("debian", "python"):
            assert refused(lambda name=template: scene.client.create(name)) == "disk_full"
    stopped = filler.stop()
    assert (stopped.status, stopped.reason) == ("terminated", "stopped")
    assert world.free() > 100 * MIB, "its files are gone"
    row.seen = scene.aftermath()
    assert "Traceback" not in scene.server.log()


@pytest.mark.timeout(300)
def test_a_layer_fills_it(world: SmallDiskWorld, own_server: Start, row: Row) -> None:
    row.fault, row.moment = "the engine's disk filled by a layer", "create"
    row.promise = "creates get `disk_full`, others live; another engine removes the layer"
    scene = Scene(world, own_server)
    folder = scene.server.project / ".orkee" / "templates"
    folder.mkdir(parents=True)
    (folder / "large.toml").write_text(LARGE)
    assert [refused(lambda: scene.client.create("large")) for _ in range(2)] == ["disk_full"] * 2
    assert (scene.kept.refresh().status, scene.kept.exec("echo on").stdout) == ("active", "on\n")
    scene.write("meanwhile")
    world.stop_engine()
    until(lambda: scene.kept.refresh().status == "paused", 20, what="a notice of it")
    row.seen = scene.aftermath()
    assert world.free() > 100 * MIB, "the layer is gone"
    assert "Traceback" not in scene.server.log()
