"""What a sandbox can reach: its server, the outside, and nothing that is somebody else's."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from orkee_jupyter.client import Client, Sandbox

from .servers import Server

pytestmark = pytest.mark.native

SERVE = ["python3", "-m", "http.server", "8000", "--bind", "0.0.0.0"]
#: Says whether an address answers within two seconds.
TRY = (
    "import socket, sys\n"
    "for each in sys.argv[1:]:\n"
    "    host, port = each.rsplit(':', 1)\n"
    "    try: socket.create_connection((host, int(port)), 2).close(); print(each)\n"
    "    except OSError: pass\n"
)


@pytest.fixture
def client(direct: Server) -> Iterator[Client]:
    with direct.client() as made:
        yield made


def address(sandbox: Sandbox) -> str:
    """Return a sandbox's address on the bridge."""
    code = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
        "s.connect(('192.0.2.1', 9)); print(s.getsockname()[0])"
    )
    return sandbox.exec(["python3", "-c", code]).stdout.strip()


def reached(sandbox: Sandbox, *addresses: str) -> list[str]:
    """Return which of HOST:PORT can be connected to from inside."""
    return sandbox.exec(["python3", "-c", TRY, *addresses]).stdout.split()


def test_no_sandbox_reaches_anothers_ports_and_its_user_does(client: Client) -> None:
    serving = {"command": SERVE, "ports": [8000], "wait": "port:8000"}
    with (
        client.create("python", **serving) as one,
        client.create("python", **serving) as other,
    ):
        own = f"{address(one)}:8000"
        assert reached(one, own) == [own], "whoever may reach it does"
        assert reached(one, f"{address(other)}:8000") == []
        assert reached(other, f"{address(one)}:8000") == []
        for each in (one, other):
            assert httpx.get(each.url(8000), trust_env=False, timeout=10).status_code == 200


def test_a_resumed_sandbox_is_kept_apart_too(client: Client) -> None:
    with (
        client.create("python", command=SERVE, ports=[8000], wait="port:8000") as one,
        client.create("python") as other,
    ):
        one.pause().resume().wait_for("port:8000")
        other.pause().resume()
        assert reached(other, f"{address(one)}:8000") == []


#: Sends a datagram to an address by way of the gateway's own link address, past all routes.
DETOUR = """
import socket, struct, subprocess, sys
to, me = sys.argv[1], sys.argv[2]
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.sendto(b'x', (sys.argv[3], 9))
name = next(n for _, n in socket.if_nameindex() if n != 'lo')
arp = [l.split() for l in open('/proc/net/arp')][1:]
mac = bytes.fromhex(next(l[3] for l in arp if l[0] == sys.argv[3]).replace(':', ''))
def total(b):
    s = sum(struct.unpack('!%dH' % (len(b) // 2), b)); s = (s >> 16) + (s & 65535)
    return ~(s + (s >> 16)) & 65535
data = b'detour'
udp = struct.pack('!4H', 40000, 8001, 8 + len(data), 0) + data
ip = lambda c: struct.pack('!BBHHHBBH4s4s', 69, 0, 20 + len(udp), 1, 0, 64, 17, c,
                           socket.inet_aton(me), socket.inet_aton(to))
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0x0800)
for _ in range(5): s.sendto(ip(total(ip(0))) + udp, (name, 0x0800, 0, 0, mac))
"""
WAIT = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('0.0.0.0', 8001)); s.settimeout(4)
try: print(s.recv(99))
except OSError: print('nothing')
"""


def test_no_datagram_gets_to_another_by_way_of_the_gateway(client: Client) -> None:
    with client.create("python") as one, client.create("python") as other:
        here, there = address(one), address(other)
        gateway = ".".join([*there.split(".")[:2], "0", "1"])
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(other.exec, ["python3", "-c", WAIT])
            other.exec("while ! grep -q ':1F41 ' /proc/net/udp; do sleep 0.05; done")
            sent = one.exec(["python3", "-c", DETOUR, there, here, gateway])
            assert "PermissionError" in sent.stderr, sent.stderr
            assert waiting.result(30).stdout == "nothing\n"


@pytest.mark.parametrize("network", ["full", "none"])
def test_no_program_writes_past_the_rules(client: Client, network: str) -> None:
    """What goes through a packet socket is seen by no rule of the container's namespace."""
    tries = (
        "import socket\n"
        "packets = socket.AF_PACKET, socket.SOCK_RAW, 768\n"
        "icmp = socket.AF_INET, socket.SOCK_RAW, 1\n"
        "for kind in (packets, icmp):\n"
        "    try: socket.socket(*kind); print('made')\n"
        "    except PermissionError: print('refused')\n"
    )
    with client.create("python", network=network) as box:
        assert box.exec(["python3", "-c", tries]).stdout.split() == ["refused", "refused"]
        held = box.exec(["unshare", "--user", "--map-root-user", "python3", "-c", tries])
        assert "made" not in held.stdout, "nor as root of a user namespace of its own"


def test_neither_the_hosts_loopback_nor_the_engines_is_reached(client: Client) -> None:
    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=listener.serve_forever)
    thread.start()
    try:
        with client.create("python") as sandbox:
            gateway = ".".join([*address(sandbox).split(".")[:2], "0", "1"])
            port = listener.server_address[1]
            hosts = ["127.0.0.1", gateway, "10.0.2.2", "169.254.169.254"]
            # The registry's mirror, the engine's debug and API ports, and the host's server.
            wanted = [f"{host}:{each}" for host in hosts for each in (port, 5000, 6060, 1234, 8080)]
            assert reached(sandbox, *wanted) == []
            assert "docker.sock" not in sandbox.exec("ls /run /var/run").stdout
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


@pytest.mark.parametrize("link", ["direct", "forwarded"])
def test_a_network_policy_holds_and_all_else_works(servers: dict[str, Server], link: str) -> None:
    with servers[link].client() as client:
        serving = {"command": SERVE, "ports": [8000], "wait": "port:8000"}
        with client.create("python", network="none", **serving) as box:
            gateway = ".".join([*address(box).split(".")[:2], "0", "1"])
            names = f"{gateway}:53"
            for _ in range(2):
                own = f"{address(box)}:8000"
                assert reached(box, names) == []
                assert reached(box, own) == [own], "itself it reaches"
                assert httpx.get(box.url(8000), trust_env=False, timeout=10).status_code == 200
                box.files.write("x", "1" * 100_000)
                assert box.exec("cat x").stdout == "1" * 100_000
                box.pause().resume().wait_for("port:8000")
            rights = box.exec("grep CapEff /proc/self/status").stdout.split()[1]
            assert not int(rights, 16) & (1 << 12), "CAP_NET_ADMIN could take the rules away"
        with client.create("python", network=f"allow:{gateway},192.0.2.7") as box:
            assert reached(box, names) == [names]
        with client.create("python") as box:
            assert reached(box, names) == [names], "without a policy all is reached"
