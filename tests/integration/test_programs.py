"""Programs that nobody here wrote, unchanged inside and through a port, over both links."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

from orkee_jupyter.client import Sandbox

from .programs import Client, put_template
from .servers import Server
from .world import World

# The first create installs the packages.
pytestmark = pytest.mark.timeout(500)

POSTGRES = "/usr/lib/postgresql/15/bin"
#: Debian's own way to start it; it listens on the container's localhost.
START_POSTGRES = """
pg_ctlcluster 15 main start
su postgres -c "psql -qc \\"ALTER USER postgres PASSWORD 'secret'\\""
"""
#: A repository behind git's own HTTP backend, and Python's server for CGI programs.
START_GIT = """
mkdir -p /srv/cgi-bin && cd /srv
git init -q work && cd work
git config user.name Tester && git config user.email tester@localhost
head -c 3000000 /dev/urandom >noise && git add . && git commit -qm first
echo more >more && git add . && git commit -qm second
cd .. && git clone -q --bare work repo.git
{ echo '#!/bin/sh'; echo 'GIT_PROJECT_ROOT=/srv GIT_HTTP_EXPORT_ALL=1 exec git http-backend'
} >cgi-bin/git
chmod +x cgi-bin/git && git config --system --add safe.directory '*'
"""
ECHO = """
import asyncio, websockets
async def echo(socket, *rest):
    async for message in socket:
        await socket.send(message)
async def main():
    async with websockets.serve(echo, '127.0.0.1', 8765, max_size=None):
        await asyncio.Future()
asyncio.run(main())
"""


@pytest.fixture(scope="module", params=["direct", "forwarded"])
def programs(
    request: pytest.FixtureRequest, world: World, servers: dict[str, Server]
) -> Iterator[Sandbox]:
    """Give a sandbox that has the programs, once for each link."""
    with servers[request.param].client() as client, client.create(put_template(world)) as made:
        yield made


def address(sandbox: Sandbox, port: int) -> str:
    """Return the number of the host's port for one of a sandbox, once a program listens there."""
    return sandbox.wait_for(f"port:{port}", 30).url(port).rpartition(":")[2]


def test_redis_serves_its_own_benchmark(programs: Sandbox, tmp_path: Path) -> None:
    benchmark = Client(programs, "/usr/bin/redis-benchmark", tmp_path)
    programs.detach(["redis-server", "--save", ""])
    port = address(programs, 6379)
    common = ("-h", "127.0.0.1", "-p", port, "-c", "50", "--csv")
    # How fast is for `make bench` to say: here all of it has to come and go.
    for options in (("-n", "5000"), ("-n", "20000", "-P", "16"), ("-n", "200", "-d", "100000")):
        told = benchmark.run(*common, "-t", "set,get", *options)
        rates = {line.split(",")[0]: line.split(",")[1] for line in told.splitlines()[1:]}
        assert set(rates) == {'"SET"', '"GET"'}
        assert all(float(rate.strip('"')) > 0 for rate in rates.values()), told
    done = programs.exec(["redis-cli", "info", "commandstats"], check=True).stdout
    assert "cmdstat_set:calls=25200" in done


def test_postgres_serves_psql_and_pgbench(programs: Sandbox, tmp_path: Path) -> None:
    psql = Client(programs, f"{POSTGRES}/psql", tmp_path)
    pgbench = Client(programs, f"{POSTGRES}/pgbench", tmp_path)
    programs.exec(START_POSTGRES, check=True)
    port = address(programs, 5432)
    login = ("-h", "127.0.0.1", "-p", port, "-U", "postgres", "-d", "postgres")
    shown = psql.run(*login, "-At", "-c", "SELECT sum(n) FROM generate_series(1, 100) n",
                     PGPASSWORD="secret")  # fmt: skip
    assert shown == "5050\n"
    pgbench.run(*login, "-i", "-q", "-s", "1", PGPASSWORD="secret")
    told = pgbench.run(*login, "-c", "8", "-j", "2", "-t", "50", PGPASSWORD="secret")
    assert "number of transactions actually processed: 400/400" in told
    assert "number of failed transactions: 0 (0.000%)" in told
    rows = "".join(f"{number}\tä{number}\n" for number in range(20_000))
    copied = psql.run(
        *(*login, "-At", "-c", "CREATE TABLE t (n int, s text)", "-c", "COPY t FROM STDIN"),
        *("-c", "SELECT count(*), sum(n) FROM t", "-c", "COPY t TO STDOUT"),
        stdin=rows,
        PGPASSWORD="secret",
    )
    assert copied == f"CREATE TABLE\nCOPY 20000\n20000|199990000\n{rows}"


def test_git_clones_over_http_by_the_port_and_through_the_server(
    programs: Sandbox, tmp_path: Path
) -> None:
    programs.exec(START_GIT, check=True)
    programs.detach(["python3", "-m", "http.server", "--cgi", "-d", "/srv", "8080"])
    head = programs.exec(["git", "-C", "/srv/repo.git", "rev-parse", "HEAD"], check=True).stdout
    address(programs, 8080)
    bases = {"port": f"{programs.url(8080)}/", "proxy": programs.proxy_link(8080, full=True)}
    for name, base in bases.items():
        folder = tmp_path / name
        git("clone", "-q", f"{base}cgi-bin/git/repo.git", str(folder))
        assert git("-C", str(folder), "rev-parse", "HEAD") == head
        git("-C", str(folder), "fsck", "--strict")
        assert (folder / "noise").stat().st_size == 3_000_000


def test_websockets_echo_by_the_port_and_through_the_server(programs: Sandbox) -> None:
    programs.detach(["python3", "-c", ECHO])
    port = address(programs, 8765)
    link = programs.proxy_link(8765, full=True).replace("http://", "ws://", 1)
    large = bytes(range(256)) * 8192  # 2 MiB
    for url in (f"ws://127.0.0.1:{port}/", link):
        with connect(url, proxy=None, max_size=None, open_timeout=20) as socket:
            for message in ("hello", "ä" * 70_000, b"\x00\xff", large):
                socket.send(message)
                assert socket.recv(timeout=30) == message
            assert socket.ping().wait(10)


def git(*words: str) -> str:
    """Run this host's git and return what it printed."""
    done = subprocess.run(
        ["git", "-c", "http.proxy=", *words], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
