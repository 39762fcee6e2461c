"""Workspaces seen from the engine's side, by a Dagger session of the tests' own."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from orkee_jupyter.dagger.session import Session, SessionConfig

from .world import World


async def _contents(world: World, sandboxes: Sequence[str]) -> dict[str, list[str]]:
    if not sandboxes:
        return {}
    config = SessionConfig(world.engine().cli, world.runner_host, world.folder / "view.log")
    session = await Session.start(config, lambda _: None)
    try:
        client = session.client
        container = client.container().from_("debian:bookworm-slim")
        for sandbox in sandboxes:
            volume = client.cache_volume(f"orkee-workspace-{sandbox}")
            container = container.with_mounted_cache(f"/w/{sandbox}", volume)
        # A variable that is new each time: else the engine answers from its cache.
        container = container.with_env_variable("ONCE", secrets.token_hex(8))
        listed = await container.with_exec(["find", "/w", "-mindepth", "2"]).stdout()
    finally:
        await session.close()
    found: dict[str, list[str]] = {sandbox: [] for sandbox in sandboxes}
    for line in listed.splitlines():
        sandbox, _, path = line.removeprefix("/w/").partition("/")
        found[sandbox].append(path)
    return found


def contents(world: World, *sandboxes: str) -> dict[str, list[str]]:
    """Return what is in the workspaces of these sandboxes, as paths below each."""
    return asyncio.run(_contents(world, sandboxes))
