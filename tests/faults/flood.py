"""A program of a sandbox that speaks to the server past sandboxd, and the look at what it costs."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from orkee_jupyter.client import Sandbox

MIB = 1 << 20
#: How much the server may grow while a sandbox floods it.
GROWTH = 96 * MIB

#: Begins once /app/go is there. What it does, for how many seconds and with how many bytes at
#: most are its arguments.
PROGRAM = r'''
import contextlib, json, os, socket, sys, time

how, seconds, most = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
token = open("/run/orkee/token").read().strip()


def frame(kind, payload):
    return bytes([kind]) + len(payload).to_bytes(3, "big") + payload


def told(number, **body):
    return frame(number, json.dumps(body).encode())


def hello(kind):
    return told(0x01, protocol=1, kind=kind, token=token, version="0", os="linux", arch="amd64")


def read(link, size):
    data = b""
    while len(data) < size:
        data += link.recv(size - len(data)) or sys.exit("closed")
    return data


def opened(link):
    """Wait until the server has taken this connection out of the reserve, and agree."""
    head = read(link, 4)
    read(link, int.from_bytes(head[1:], "big"))
    link.sendall(told(0x04, credit=0, pid=2))


data = frame(0x10, b"\1" + bytes(200_000))
notice = told(0x32, event="other", more=[[]] * 60_000)
block = {
    "garbage": os.urandom(1 << 18),
    "idle": data,
    "stream": data,
    "notices": notice,
}[how]

while not os.path.exists("/app/go"):
    time.sleep(0.02)
end, sent, tries = time.monotonic() + seconds, 0, 0
while sent < most and time.monotonic() < end:
    with socket.socket(socket.AF_UNIX) as link, contextlib.suppress(OSError):
        link.connect("/run/orkee/link.sock")
        link.settimeout(seconds)
        tries += 1
        if how != "garbage":
            link.sendall(hello("control" if how == "notices" else "stream"))
        if how == "stream":
            opened(link)
        while sent < most and time.monotonic() < end:
            link.sendall(block)
            sent += len(block)
print("sent", sent, "in", tries, flush=True)
time.sleep(600)
'''


def flooder(how: str, seconds: float, most: int) -> list[str]:
    """Return the command of a sandbox whose image has Python."""
    return ["python3", "-c", PROGRAM, how, str(seconds), str(most)]


def begin(sandbox: Sandbox) -> None:
    sandbox.files.write("go", b"")


def peak(pid: int) -> int:
    """Return the most memory that a process has had, in bytes; 0 of one that has ended."""
    with contextlib.suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) * 1024 if found else 0
    return 0
