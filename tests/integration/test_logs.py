"""The log of the main command, over both links: complete, byte for byte, and resumable."""

from __future__ import annotations

import hashlib

from orkee_jupyter.client import Client, Sandbox

from .servers import Server

LINES = 1_000_000
#: What ``seq 1 LINES`` prints.
EXPECTED = "".join(f"{number}\n" for number in range(1, LINES + 1)).encode()


def streams(sandbox: Sandbox, **options: object) -> dict[str, bytes]:
    """Return what the log has, by stream; nothing of it may be missing."""
    found = {"stdout": bytearray(), "stderr": bytearray()}
    last = 0
    with sandbox.log_entries(**options) as entries:  # type: ignore[arg-type]
        for entry in entries:
            assert entry.stream != "dropped", entry
            assert entry.seq == last + 1, "each entry comes once and in order"
            last = entry.seq
            found[entry.stream] += entry.data
    return {name: bytes(data) for name, data in found.items()}


def test_a_million_lines_arrive_byte_for_byte_while_they_are_written(client: Client) -> None:
    with client.create("debian", command=["seq", "1", str(LINES)]) as sandbox:
        followed = streams(sandbox, follow=True)
        assert followed["stdout"] == EXPECTED
        assert followed["stderr"] == b""
        assert streams(sandbox) == followed, "the kept log is the same"


def test_a_million_lines_arrive_by_plain_http(server: Server) -> None:
    body = {"template": "debian", "command": ["seq", "1", str(LINES)]}
    with server.http() as http:
        made = http.post("sandbox", json=body).json()["sandbox"]["id"]
        digest, size = hashlib.sha256(), 0
        with http.stream("GET", f"sandbox/{made}/logs?follow=1&format=raw") as answer:
            for chunk in answer.iter_bytes():
                digest.update(chunk)
                size += len(chunk)
        http.delete(f"sandbox/{made}")
    assert (size, digest.digest()) == (len(EXPECTED), hashlib.sha256(EXPECTED).digest())


def test_lines_of_the_client_are_those_of_the_command(direct: Server) -> None:
    command = ["seq", "1", "20000"]
    with direct.client() as client, client.create("debian", command=command) as sandbox:
        assert list(sandbox.logs(follow=True)) == [str(n) for n in range(1, 20001)]
        assert list(sandbox.logs(tail=3)) == ["19998", "19999", "20000"]


def test_bytes_that_are_no_text_and_both_streams_arrive_as_they_are(client: Client) -> None:
    script = "head -c 300000 /usr/bin/perl; head -c 200000 /usr/bin/perl >&2"
    with client.create("debian", command=["sh", "-c", script]) as sandbox:
        found = streams(sandbox, follow=True)
        data = sandbox.exec(["head", "-c", "300000", "/usr/bin/perl"]).stdout_bytes
    assert (found["stdout"], found["stderr"]) == (data, data[:200000])


def test_a_follower_that_was_cut_off_goes_on_where_it_was(client: Client) -> None:
    with client.create("debian", command=["seq", "1", str(LINES)]) as sandbox:
        data = b""
        seq = 0
        while len(data) < len(EXPECTED):
            with sandbox.log_entries(follow=True, after=seq) as entries:
                for number, entry in enumerate(entries, 1):
                    assert entry.seq == seq + 1
                    seq, data = entry.seq, data + entry.data
                    if number == 100:
                        break  # as a broken connection would
        assert data == EXPECTED


def test_two_followers_get_the_same(client: Client) -> None:
    script = "until [ -e go ]; do sleep 0.05; done; seq 1 50000"
    with (
        client.create("debian", command=["sh", "-c", script]) as sandbox,
        sandbox.log_entries(follow=True) as one,
        sandbox.log_entries(follow=True) as two,
    ):
        sandbox.exec(["touch", "go"])
        first = b"".join(entry.data for entry in one)
        assert b"".join(entry.data for entry in two) == first
    assert first.splitlines()[-1] == b"50000"


def test_the_log_of_an_ended_sandbox_stays_readable(direct: Server) -> None:
    with direct.client() as client:
        sandbox = client.create("debian", command=["sh", "-c", "echo bye; sleep 60"])
        with sandbox.log_entries(follow=True) as entries:
            assert next(entries).data == b"bye\n"
        sandbox.stop()
        assert list(sandbox.logs()) == ["bye"]
        assert list(sandbox.logs(follow=True)) == ["bye"], "and to follow it ends"
