"""A Docker daemon of our own, for tests and benchmarks: `python -m scripts.docker_daemon start`.

Docker comes from the distribution (Debian's ``docker.io``) and is unpacked into the cache
folder instead of installed: an installed one runs at every boot, and this one should leave
nothing on the machine. Its data, sockets and pid file lie in the cache folder too. Where a
daemon of the user's answers, that one is used, and neither started nor stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

START = 60.0  # seconds
STOP = 30.0
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_BRIDGE = Path("/sys/class/net/docker0")
_KEY = Path("/etc/docker/key.json")  # Docker writes it wherever its other files are


class DockerError(Exception):
    """Docker can't be had here; the text is one sentence that says why."""


def cache_dir() -> Path:
    """Return the folder of all that is kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "orkee-jupyter" / "docker"


class Docker:
    """The user's daemon where one answers, else one of our own."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_dir()
        self.root = self.folder / "root"
        self._run = self.folder / "run"
        self.log_path = self.folder / "dockerd.log"
        ours = os.environ.get("DOCKER_HOST") == f"unix://{self._run}/docker.sock"
        self.theirs = not ours and bool(shutil.which("docker")) and _answers(dict(os.environ))

    @property
    def env(self) -> dict[str, str]:
        """The environment of programs that should meet this daemon."""
        if self.theirs:
            return dict(os.environ)
        bins = f"{self.root}/usr/bin:{self.root}/usr/sbin"
        env = os.environ | {
            "PATH": f"{bins}:{os.environ.get('PATH', '')}:{_SBIN}",
            "DOCKER_HOST": f"unix://{self._run}/docker.sock",
            "DOCKER_CONFIG": str(self.folder / "config"),
        }
        libraries = [str(path) for path in self.root.glob("usr/lib/*-linux-gnu*")]
        if libraries:  # those that this machine lacks
            env["LD_LIBRARY_PATH"] = ":".join(libraries)
        return env

    def running(self) -> bool:
        """Say whether the daemon answers."""
        return self.theirs or _answers(self.env)

    def __call__(
        self, *words: str, timeout: float = 120.0, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run ``docker WORDS``; raises DockerError with what it said if it fails."""
        done = subprocess.run(
            ["docker", *words],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise DockerError(f"docker {words[0]} failed: {done.stderr.strip()[-400:]}")
        return done

    # -- installing ----------------------------------------------------------

    def install(self) -> None:
        """Unpack Docker into the cache folder, unless it is there; raises DockerError."""
        if self.theirs or (self.root / "usr/sbin/dockerd").exists():
            return
        if shutil.which("apt-get") is None:
            raise DockerError("there is no apt-get to get docker.io with")
        _root()  # fails early: without root the daemon can't run
        debs = self.folder / "debs"
        debs.mkdir(parents=True, exist_ok=True)
        needed = _missing()
        got = _shell(["apt-get", "download", *needed], cwd=debs)
        if got.returncode:  # an old list names versions that are gone
            _shell([*_root(), "apt-get", "update", "-qq"])
            got = _shell(["apt-get", "download", *needed], cwd=debs)
        if got.returncode:
            raise DockerError(f"apt-get could not download docker.io: {got.stderr.strip()[-200:]}")
        aside = Path(tempfile.mkdtemp(dir=self.folder))
        for deb in debs.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(deb), str(aside)], check=True)
        aside.chmod(0o755)
        aside.rename(self.root)
        shutil.rmtree(debs)

    # -- its life --------------------------------------------------------------

    def start(self) -> bool:
        """Start the daemon and wait until it answers; False if one answered already."""
        if self.running():
            return False
        self.install()
        self._run.mkdir(parents=True, exist_ok=True)
        (self.folder / "config").mkdir(exist_ok=True)
        self._note()
        command = [
            "dockerd",
            *("--data-root", str(self.folder / "data"), "--exec-root", str(self._run / "exec")),
            *("--pidfile", str(self._pid_file), "--host", f"unix://{self._run}/docker.sock"),
            *("--config-file", str(self._empty_config()), "--group", str(os.getgid())),
        ]
        with self.log_path.open("wb") as log:
            process = subprocess.Popen(
                self._as_root(command),
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        deadline = time.monotonic() + START
        while not self.running():
            if process.poll() is not None or time.monotonic() > deadline:
                reason = self._log_tail()
                self.stop()
                raise DockerError(f"dockerd did not start: {reason}")
            time.sleep(0.1)
        self._keep_policy()
        return True

    def stop(self) -> None:
        """End our daemon and its containers, and undo what it changed on the machine."""
        if self.theirs:
            return
        if self.running():
            ids = self("ps", "--all", "--quiet").stdout.split()
            if ids:
                self("rm", "--force", "--volumes", *ids)
        with contextlib.suppress(OSError, ValueError):
            pid = int(self._pid_file.read_text())
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            if name == "dockerd":
                _shell([*_root(), "kill", str(pid)])
                deadline = time.monotonic() + STOP
                while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
                    time.sleep(0.05)
        self._undo()

    @contextmanager
    def up(self) -> Iterator[None]:
        """Keep a daemon up while the block runs; the last such block ends what one started."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "users.lock").open("w") as users:
            with self._alone():
                fcntl.flock(users, fcntl.LOCK_SH)
                self.start()
            try:
                yield
            finally:
                with self._alone(), contextlib.suppress(BlockingIOError):  # another block runs on
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if not self._keep.exists():
                        self.stop()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.folder / "change.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def keep(self) -> None:
        """Start the daemon, and have it run until it is told to stop."""
        self.start()
        if not self.theirs:
            self._keep.touch()

    @property
    def _keep(self) -> Path:
        return self._run / "keep"

    @property
    def _pid_file(self) -> Path:
        return self._run / "docker.pid"

    def _empty_config(self) -> Path:
        path = self._run / "daemon.json"  # not the machine's own
        path.write_text("{}")
        return path

    def _as_root(self, command: Sequence[str]) -> list[str]:
        prefix = _root()
        if not prefix:
            return list(command)
        kept = ("PATH", "LD_LIBRARY_PATH")
        env = [f"{name}={value}" for name, value in self.env.items() if name in kept]
        return [*prefix, "env", *env, *command]

    def _log_tail(self) -> str:
        lines = self.log_path.read_text(errors="replace").strip().splitlines()
        return lines[-1][-300:] if lines else "it said nothing"

    # -- what it changes on the machine ---------------------------------------------

    def _note(self) -> None:
        """Write down what the daemon will change, to undo it even after a crash."""
        path = self._run / "before.json"
        if path.exists():
            return  # of a daemon that was killed: the machine was noted before it ran
        rules = self._iptables_save()
        facts = {
            "forward": _FORWARD.read_text().strip(),
            "policy": _policy(rules),
            "ours": not _BRIDGE.exists() and ":DOCKER " not in rules,
            "key": _KEY.exists(),
        }
        path.write_text(json.dumps(facts))

    def _keep_policy(self) -> None:
        """Give the chain FORWARD its policy back: other networks of this machine need it."""
        facts = json.loads((self._run / "before.json").read_text())
        if facts["policy"]:
            self._iptables("-P", "FORWARD", facts["policy"])

    def _undo(self) -> None:
        path = self._run / "before.json"
        if not path.exists():
            return
        facts = json.loads(path.read_text())
        if facts["ours"]:
            self._remove_rules()
            if _BRIDGE.exists():
                _shell(self._as_root(["ip", "link", "delete", "docker0"]))
        if facts["policy"]:
            self._iptables("-P", "FORWARD", facts["policy"])
        if not facts["key"]:
            _shell([*_root(), "rm", "-f", str(_KEY)])
            _shell([*_root(), "rmdir", str(_KEY.parent)])  # unless something else is in it
        _shell(self._as_root(["sh", "-c", f"echo {facts['forward']} > {_FORWARD}"]))
        _shell([*_root(), "rm", "-rf", str(self._run)])

    def _remove_rules(self) -> None:
        table, chains = "", []
        for line in self._iptables_save().splitlines():
            if line.startswith("*"):
                table = line[1:]
            elif line.startswith(":DOCKER"):
                chains.append((table, line[1:].split()[0]))
            elif line.startswith("-A") and ("DOCKER" in line or "docker0" in line):
                self._iptables("-t", table, "-D", *shlex.split(line)[1:])
        for table, chain in chains:
            self._iptables("-t", table, "-X", chain)

    def _iptables_save(self) -> str:
        return _shell(self._as_root(["iptables-save"]), env=self.env).stdout

    def _iptables(self, *words: str) -> None:
        _shell(self._as_root(["iptables", *words]), env=self.env)


def _answers(env: Mapping[str, str]) -> bool:
    try:
        done = _shell(["docker", "version", "--format", "{{.Server.Version}}"], env=env, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _missing() -> list[str]:
    """Return docker.io and what it needs and this machine lacks."""
    words = ["apt-get", "install", "--simulate", "--no-install-recommends", "docker.io"]
    for attempt in (1, 2):
        lines = _shell(words).stdout.splitlines()
        found = [line.split()[1] for line in lines if line.startswith("Inst ")]
        if found:
            return found
        if attempt == 1:
            _shell([*_root(), "apt-get", "update", "-qq"])
    raise DockerError("apt-get knows no package docker.io")


def _policy(rules: str) -> str:
    table = rules.partition("*filter")[2].partition("COMMIT")[0]
    found = [line.split()[1] for line in table.splitlines() if line.startswith(":FORWARD ")]
    return found[0] if found else "ACCEPT"


def _root() -> list[str]:
    """Return what makes a command run as root; raises DockerError where nothing does."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and _shell(["sudo", "-n", "true"]).returncode == 0:
        return ["sudo", "-n"]
    raise DockerError("a Docker daemon needs root, and there is neither root nor sudo")


def _shell(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 300.0,
) -> subprocess.CompletedProcess[str]:
    given = dict(env or os.environ) | {"DEBIAN_FRONTEND": "noninteractive"}
    given["PATH"] = f"{given.get('PATH', '')}:{_SBIN}"
    return subprocess.run(
        command,
        env=given,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=("install", "start", "stop", "images", "env"))
    verb = parser.parse_args().verb
    docker = Docker()
    try:
        if verb == "install":
            docker.install()
        elif verb == "start":
            docker.keep()
        elif verb == "stop":
            docker.stop()
        elif verb == "images":
            from scripts import docker_images

            print(*docker_images.put_in(docker), sep="\n")
        if verb in ("start", "env"):
            for name in ("DOCKER_HOST", "DOCKER_CONFIG", "PATH"):
                print(f"export {name}={shlex.quote(docker.env.get(name, ''))}")
    except DockerError as error:
        print(f"docker: {error}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
