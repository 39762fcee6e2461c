"""What an administrator does not allow is refused before anything is made."""

from __future__ import annotations

from typing import Any

import pytest

from orkee_jupyter.sandbox.model import Limits, Status
from orkee_jupyter.sandbox.policy import Policy
from tests.fakes.store import FakeStore
from tests.sandbox.world import OWNER, error_of, world

pytestmark = pytest.mark.asyncio
DIGEST = "python@sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("policy", "asked", "rule"),
    [
        (Policy(images=("python:3.*", DIGEST)), {"image": "python:2.7"}, "allowed_images"),
        (Policy(images=("python:3.*",)), {"image": "evil/python:3.11"}, "allowed_images"),
        (Policy(images=("python:3.*",)), {"template": "node"}, "allowed_images"),
        (Policy(images=(DIGEST,)), {"image": DIGEST[:-1] + "b"}, "allowed_images"),
        (Policy(folders=("work/*",)), {"project_folder": "home"}, "allowed_folders"),
        (Policy(limits=Limits(memory=2**26)), {"limits": Limits(memory=2**27)}, "largest_memory"),
        (Policy(limits=Limits(cpus=1.0)), {"limits": Limits(cpus=1.5)}, "largest_cpus"),
        (Policy(limits=Limits(pids=10)), {"limits": Limits(pids=11)}, "largest_pids"),
        (Policy(timeout=60), {"timeout": 61}, "largest_timeout"),
        (Policy(ttl=60), {"ttl": 61}, "allowed_ttl"),
        (Policy(networks=("none", "allow:*")), {}, "allowed_networks"),
        (Policy(networks=("none",)), {"network": "allow:a.b"}, "allowed_networks"),
    ],
)
async def test_what_is_not_allowed_is_refused_with_the_rule(
    policy: Policy, asked: dict[str, Any], rule: str
) -> None:
    async with world(policy=policy) as w:
        error = await error_of(w.create(**asked))
        assert (error.code, error.details["rule"]) == ("not_allowed_by_policy", rule)
        assert error.remedy
        assert w.rows == []


@pytest.mark.parametrize("image", ["python:3.11-slim", "node:18-alpine"])
async def test_what_a_pattern_names_is_allowed(image: str) -> None:
    async with world(policy=Policy(images=("python:3.*", "node:18-alpine"))) as w:
        assert (await w.create(image=image)).status is Status.ACTIVE


async def test_who_asks_for_no_limit_gets_the_largest() -> None:
    policy = Policy(limits=Limits(2**27, 2.0, 50), timeout=600)
    async with world(policy=policy) as w:
        sandbox = await w.create(limits=Limits(cpus=0.5))
        assert sandbox.limits == Limits(2**27, 0.5, 50)
        assert sandbox.timeout == 600


async def test_one_user_has_so_many_and_others_theirs() -> None:
    async with world(policy=Policy(sandboxes=1)) as w:
        first = await w.create()
        error = await error_of(w.create())
        assert error.details["rule"] == "max_sandboxes_per_user"
        await w.create(owner="eve")
        await w.manager.pause(first.id, OWNER)
        second = await w.create()
        assert (await error_of(w.manager.resume(first.id, OWNER))).code == "not_allowed_by_policy"
        await w.manager.stop(second.id, OWNER)
        assert (await w.manager.resume(first.id, OWNER)).status is Status.ACTIVE


async def test_a_rule_that_came_later_holds_for_a_resume_too() -> None:
    store = FakeStore()
    async with world(store) as w:
        sandbox = await w.create(limits=Limits(memory=2**30))
    async with world(store, policy=Policy(limits=Limits(memory=2**27))) as later:
        error = await error_of(later.manager.resume(sandbox.id, OWNER))
        assert error.details["rule"] == "largest_memory"
        assert (await later.manager.get(sandbox.id, OWNER)).status is Status.PAUSED


async def test_more_time_is_bounded_by_the_rule() -> None:
    async with world(policy=Policy(ttl=3600)) as w:
        sandbox = await w.create(ttl=60)
        assert (await w.create()).ttl <= 3600
        error = await error_of(w.manager.extend(sandbox.id, 3601, OWNER))
        assert error.details["rule"] == "allowed_ttl"
