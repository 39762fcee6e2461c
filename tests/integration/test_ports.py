"""Ports of sandboxes on the real engine, over both links: host ports, the proxy, waiting."""

from __future__ import annotations

import concurrent.futures
import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from orkee_jupyter.client import Client, OrkeeError, Sandbox

from .processes import until
from .servers import TOKEN, Server

#: A web server with a page, a stream, a websocket echo, and a TCP echo beside it that
#: half-closes. Of node's own modules: what the image has.
APP = r"""
const http = require('http'), net = require('net'), crypto = require('crypto');
const page = http.createServer((q, r) => {
  if (q.url === '/slow') { r.write('first '); setTimeout(() => r.end('last'), 300); return; }
  r.setHeader('Set-Cookie', 'a=b'); r.end(JSON.stringify({url: q.url, headers: q.headers}));
});
page.on('upgrade', (q, s) => {
  const key = crypto.createHash('sha1').update(
    q.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  s.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
    + 'Sec-WebSocket-Accept: ' + key + '\r\n\r\n');
  s.on('data', b => { if ((b[0] & 15) === 8) return s.end();
    const n = b[1] & 127, mask = b.subarray(2, 6), body = Buffer.from(b.subarray(6, 6 + n));
    for (let i = 0; i < n; i++) body[i] ^= mask[i % 4];
    s.write(Buffer.concat([Buffer.from([0x81, n]), body])); });
});
page.listen(3000, '127.0.0.1', () => console.log('page is up'));
net.createServer({allowHalfOpen: true}, s => {
  let all = 0;
  s.on('data', b => { all += b.length;
    if (!s.write(b)) { s.pause(); s.once('drain', () => s.resume()); } });
  s.on('end', () => s.end('got ' + all)); s.on('error', () => {});
}).listen(4000, '0.0.0.0');
"""


LATER = """
require('http').createServer((q, r) => r.end('later'))
  .listen(5000, '127.0.0.1', () => console.log('on'));
"""


@pytest.fixture
def app(client: Client) -> Iterator[Sandbox]:
    """Give a sandbox with the application, once for each link."""
    made = client.create("node", ports=[3000, 4000], command=["node", "-e", APP], wait="port:3000")
    with made:
        yield made.wait_for("port:4000")


def dial(sandbox: Sandbox, port: int) -> socket.socket:
    """Connect to a port as any program of the host does."""
    host, _, number = sandbox.url(port).removeprefix("http://").partition(":")
    return socket.create_connection((host, int(number)), timeout=30)


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(1 << 20), b""))


# -- host ports ------------------------------------------------------------------


def test_a_page_is_fetched_where_host_url_says(app: Sandbox) -> None:
    assert app.host_url == app.url(3000)
    assert app.host_url.startswith("http://127.0.0.1:")
    answer = httpx.get(f"{app.host_url}/x?y=1", trust_env=False)
    assert answer.json()["url"] == "/x?y=1"


def test_a_half_close_reaches_the_program_and_its_answer_comes_back(app: Sandbox) -> None:
    with dial(app, 4000) as connection:
        connection.sendall(b"hello")
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b"hellogot 5"


def test_much_goes_both_ways_whole(app: Sandbox) -> None:
    size = 24 << 20
    sent = bytes(range(256)) * (size // 256)
    with dial(app, 4000) as connection:

        def send() -> None:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)

        sending = threading.Thread(target=send)
        sending.start()
        got = read_all(connection)
        sending.join()
    assert got == sent + f"got {size}".encode()


def test_a_hundred_connections_at_once(app: Sandbox) -> None:
    connections = [dial(app, 4000) for _ in range(100)]
    for number, connection in enumerate(connections):
        connection.sendall(b"%03d" % number)
    for connection in connections:
        connection.shutdown(socket.SHUT_WR)
    answers = [read_all(connection) for connection in connections]
    assert answers == [b"%03dgot 3" % number for number in range(100)]
    for connection in connections:
        connection.close()


def test_a_slow_reader_does_not_stall_the_others(app: Sandbox) -> None:
    with dial(app, 4000) as slow, dial(app, 4000) as quick:
        slow.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while True:  # until every buffer on the way is full
                slow.sendall(bytes(1 << 20))
        begun = time.monotonic()
        for _ in range(20):
            quick.sendall(b"ping")
            assert quick.recv(100) == b"ping"
        assert time.monotonic() - begun < 2


def test_a_port_that_begins_to_listen_later_gets_an_address(app: Sandbox) -> None:
    with app.stream(["node", "-e", LATER]) as running:
        assert next(running) == ("stdout", b"on\n")
        until(lambda: 5000 in [each["port"] for each in app.refresh().port_map], 10, what="port")
        assert httpx.get(app.url(5000), trust_env=False).text == "later"
    until(lambda: not app.refresh().port_map[-1]["listening"], 20, what="the end of it")


def test_a_wanted_port_is_used_and_a_taken_one_is_refused(client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(OrkeeError) as caught:
            client.create("node", ports=[f"{number}:3000"])
    assert (caught.value.code, caught.value.details["host_port"]) == ("port_taken", number)
    with client.create("node", ports=[f"{number}:3000"]) as sandbox:
        assert sandbox.host_url == f"http://127.0.0.1:{number}"


def test_twenty_created_at_once_do_not_collide(direct: Server) -> None:
    with direct.client() as client, concurrent.futures.ThreadPoolExecutor(20) as pool:
        made = list(pool.map(lambda _: client.create("debian", ports=[3000, 3001]), range(20)))
        urls = [each["url"] for sandbox in made for each in sandbox.port_map]
        list(pool.map(lambda sandbox: sandbox.stop(), made))
    assert len(set(urls)) == len(urls) == 40


def test_a_stop_ends_listeners_and_connections(app: Sandbox) -> None:
    with dial(app, 4000) as connection:
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"
        url = app.host_url
        app.stop()
        connection.settimeout(5)
        with contextlib.suppress(ConnectionError):
            assert connection.recv(1) == b""
        with pytest.raises(httpx.ConnectError):
            httpx.get(str(url), trust_env=False)
    assert (app.host_url, app.port_map) == (None, [])


def test_traffic_renews_the_lifetime(client: Client) -> None:
    with client.create("node", ports=[4000], command=["node", "-e", APP], ttl=4) as sandbox:
        sandbox.wait_for("port:4000")
        begun = sandbox.refresh().last_active_at
        with dial(sandbox, 4000) as connection:

            def echoed() -> bool:
                connection.sendall(b"x")
                connection.recv(1)
                return sandbox.refresh().last_active_at > begun + 5

            until(echoed, 20, what="a life beyond its first length")
        assert sandbox.refresh().status == "active"


# -- waiting ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "condition", ["http:3000/health", "log:page is (up|on)", "exec:test -d /app"]
)
def test_waiting_ends_when_it_is_so(app: Sandbox, condition: str) -> None:
    assert app.wait_for(condition, 10) is app


def test_waiting_in_vain_tells_the_last_lines(app: Sandbox) -> None:
    for condition in ("port:9", "log:never", "exec:false"):
        with pytest.raises(OrkeeError) as caught:
            app.wait_for(condition, 0.6)
        assert caught.value.code == "wait_timeout"
        assert caught.value.details["lines"] == ["page is up"]


@pytest.mark.parametrize("condition", ["port:3000", "log:never"])
def test_waiting_for_a_command_that_fails_ends_at_once(client: Client, condition: str) -> None:
    with client.create("debian", command="sleep 5; echo broken; exit 3") as sandbox:
        begun = time.monotonic()
        with pytest.raises(OrkeeError) as caught:
            sandbox.wait_for(condition, 30)
        assert caught.value.code == "command_exited"
        assert caught.value.details["lines"] == ["broken"]
        assert time.monotonic() - begun < 20


def test_the_command_line_creates_waits_and_links(server: Server) -> None:
    made = server.cli(
        *("sandbox", "create", "node", "--port", "3000", "--wait", "http:3000/"),
        *("--name", f"cli-{server.name}", "--", "node", "-e", APP),
    )
    assert made.returncode == 0, made.stderr
    url = made.stdout.decode().split()[-1]
    assert httpx.get(url, trust_env=False).status_code == 200
    link = server.cli("sandbox", "link", f"cli-{server.name}", "3000").stdout.decode().strip()
    assert httpx.get(link, trust_env=False).json()["url"] == "/"
    late = server.cli("sandbox", "wait", f"cli-{server.name}", "port:9", "--timeout", "0.3")
    assert late.returncode == 1
    assert b"page is up" in late.stderr
    assert server.cli("sandbox", "stop", f"cli-{server.name}").returncode == 0


# -- through the server --------------------------------------------------------------


def test_a_page_is_fetched_through_the_server_by_a_link(app: Sandbox, server: Server) -> None:
    link = app.proxy_link(3000)
    assert link.startswith(server.url)
    answer = httpx.get(f"{link}x", trust_env=False, cookies={"username-x": "secret"})
    told = answer.json()
    assert told["url"] == "/x"
    assert "cookie" not in told["headers"]
    assert "sandbox allow-scripts" in answer.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in answer.headers
    with httpx.stream("GET", f"{link}slow", trust_env=False) as stream:
        assert list(stream.iter_text()) == ["first ", "last"]


def test_a_page_is_fetched_with_the_token_and_not_without(app: Sandbox, server: Server) -> None:
    path = f"{server.url}orkee/proxy/{app.id}/3000/x"
    with_token = httpx.get(path, headers={"Authorization": f"token {TOKEN}"}, trust_env=False)
    assert with_token.json()["url"] == "/x"
    assert httpx.get(path, trust_env=False).status_code == 401


def test_a_websocket_echoes_through_the_server(app: Sandbox, server: Server) -> None:
    link = app.proxy_link(3000)
    host, _, path = link.removeprefix("http://").partition("/")
    name, _, number = host.partition(":")
    with socket.create_connection((name, int(number)), timeout=10) as connection:
        head = f"GET /{path}echo HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n"
        head += "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nOrigin: null\r\n"
        connection.sendall(f"{head}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
        got = connection.recv(4096)
        assert got.startswith(b"HTTP/1.1 101")
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in got
        connection.sendall(b"\x81\x85\x00\x00\x00\x00hello")
        assert connection.recv(100) == b"\x81\x05hello"


def test_links_and_streams_through_the_server_end_with_the_sandbox(app: Sandbox) -> None:
    link = app.proxy_link(3000)
    app.stop()
    assert httpx.get(link, trust_env=False).status_code == 409
