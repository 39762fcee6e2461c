"""What the tests of the native engine share: an engine of their own, and a look at the host."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from orkee_jupyter.dagger.native import NativeEngine

GRAPHQL = """
{{ container {{ withRootfs(directory: "{rootfs}") {{
  withEnvVariable(name: "UNIQUE", value: "{unique}") {{
    withExec(args: {args}) {{ stdout }} }} }} }} }}
"""


def make_rootfs(folder: Path) -> Path:
    """Return a root folder with bash, cat and sleep of this machine and their libraries."""
    for program in ("/bin/bash", "/bin/cat", "/bin/sleep"):
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True)
        for path in [program, *re.findall(r"(/\S+)", listed.stdout)]:
            target = folder / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    return folder


def query(engine: NativeEngine, text: str, cwd: Path) -> subprocess.Popen[bytes]:
    """Return ``dagger query``, started against this engine."""
    process = subprocess.Popen(
        [str(engine.cli), "query", "--silent"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(cwd),
            "DO_NOT_TRACK": "1",
            "_EXPERIMENTAL_DAGGER_RUNNER_HOST": engine.runner_host,
        },
    )
    assert process.stdin is not None
    process.stdin.write(text.encode())
    process.stdin.close()
    process.stdin = None
    return process


def answer(process: subprocess.Popen[bytes]) -> dict[str, object]:
    """Return what a query gave."""
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors.decode()
    result = json.loads(output)
    assert isinstance(result, dict)
    return result


def run(engine: NativeEngine, rootfs: Path, command: list[str]) -> subprocess.Popen[bytes]:
    """Start a command in a container whose root is ``rootfs``."""
    found = answer(query(engine, f'{{ host {{ directory(path: "{rootfs}") {{ id }} }} }}', rootfs))
    directory = found["host"]["directory"]["id"]  # type: ignore[index]
    text = GRAPHQL.format(rootfs=directory, unique=os.urandom(8).hex(), args=json.dumps(command))
    return query(engine, text, rootfs)


def descendants(pid: int) -> list[int]:
    """Return the pids of a process and of all below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(status[1]), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        each = todo.pop()
        found.append(each)
        todo += children.get(each, [])
    return found


def command_lines(pids: list[int]) -> list[str]:
    """Return the command lines of the processes that are still there and no zombies."""
    lines = []
    for pid in pids:
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue
        if line:
            lines.append(line)
    return lines


def owner(pid: int) -> int:
    """Return the host's uid of a process."""
    return Path(f"/proc/{pid}").stat().st_uid


def sleepers(supervisor: int) -> list[int]:
    """Return the pids of the containers' ``sleep 100``."""
    return [p for p in descendants(supervisor) if command_lines([p]) == ["/bin/sleep 100"]]


def end(query: subprocess.Popen[bytes]) -> None:
    """End a query whose command would run on."""
    query.kill()
    query.communicate()


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Return when the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


def host_traces() -> dict[str, object]:
    """Return what an engine could leave on the host beside processes."""
    rules = subprocess.run(
        ["/usr/sbin/iptables-save"], capture_output=True, text=True, check=False
    ).stdout
    return {
        "links": [each.name for each in Path("/sys/class/net").glob("dagger*")],
        "rules": [line for line in rules.splitlines() if "10.87." in line],
        "mounts": [m for m in Path("/proc/self/mounts").read_text().splitlines() if "orkee" in m],
    }
