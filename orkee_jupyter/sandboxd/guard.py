"""A look at the first bytes of a connection from the host: is it a browser led astray?

A page of any site can have its name resolve to 127.0.0.1 and so read what listens there
(DNS rebinding): its requests carry that name as ``Host``. And a browser sends Jupyter's
login cookie to every port of the host name that Jupyter's own page has. Both are plain to
see where HTTP is plain; what is not HTTP passes unseen.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from ..sandbox.port_page import port_page, wants_page

#: Bytes in which the head of a first request must end; a longer one passes unseen.
HEAD_LIMIT = 32_768
_METHODS = (
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"PATCH",
    b"CONNECT",
    b"TRACE",
)
_REQUEST = re.compile(rb"([A-Z]{3,7}) (\S{1,8192}) HTTP/1\.[01]\r?\n")
#: Names of the cookies that log in to Jupyter and JupyterHub.
_LOGIN = re.compile(rb"(?:^|[;\s])(?:username-[^=;\s]*|jupyterhub-(?:session-id|user-[^=;\s]*))=")
#: Where else a browser finds the same port: by a name under which it has no login.
_OTHER = {"localhost": "127.0.0.1", "127.0.0.1": "orkee.localhost"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a connection: None of both, it passes."""

    needs_more: bool = False
    answer: bytes | None = None  # to be sent instead of passing the request on


PASS, MORE = Verdict(), Verdict(needs_more=True)


def judge(data: bytes) -> Verdict:
    """Return what becomes of a connection that begins with these bytes."""
    if not _may_be_http(data):
        return PASS
    end = re.search(rb"\r?\n\r?\n", data)
    if end is None:
        return MORE if len(data) < HEAD_LIMIT else PASS
    request = _REQUEST.match(data)
    if request is None:
        return PASS
    host = _header(data[: end.end()], b"host")
    name, port = _split(host)
    if not _is_of_this_machine(name):
        return Verdict(answer=_answer(b"421 Misdirected Request", b"This host name is not local."))
    if _LOGIN.search(_header(data[: end.end()], b"cookie")) is None:
        return PASS
    other = _OTHER.get(name)
    target = request[2]
    if other is None or not target.startswith(b"/") or target.startswith(b"//"):
        return Verdict(answer=_answer(b"403 Forbidden", b"Jupyter's login is not for sandboxes."))
    place = f"http://{other}{port}".encode() + target
    return Verdict(answer=_answer(b"307 Temporary Redirect", b"", b"Location: " + place + b"\r\n"))


def absence(data: bytes, port: int) -> bytes | None:
    """Return the answer to a request for a port that nothing listens on.

    A browser that asks for a page gets one, which asks again by itself; None for all else.
    """
    request = _REQUEST.match(data)
    method = b"" if request is None else data.partition(b" ")[0]
    if not wants_page(method.decode(), _header(data, b"accept").decode("latin-1")):
        return None
    return _answer(b"502 Bad Gateway", port_page(port).encode(), kind=b"text/html; charset=utf-8")


def _may_be_http(data: bytes) -> bool:
    word, space, _ = data.partition(b" ")
    if space:
        return word in _METHODS
    return any(method.startswith(word) for method in _METHODS)


def _header(head: bytes, name: bytes) -> bytes:
    """Return a header's value; of several all, for any one may be the one that counts."""
    found = re.findall(rb"(?im)^" + name + rb"[ \t]*:[ \t]*([^\r\n]*)", head)
    return b"; ".join(found)


def _split(host: bytes) -> tuple[str, str]:
    """Return the name, in lower case, and the port with its colon, if it has one."""
    found = re.fullmatch(rb"(\[[0-9a-fA-F:.]+\]|[^:\[\];\s]*)(:\d{1,5})?", host.strip())
    if found is None:
        return "?", ""
    return found[1].decode("latin-1").lower().rstrip("."), (found[2] or b"").decode()


def _is_of_this_machine(name: str) -> bool:
    """Whether a name can't have been made by a site: a loopback name, or an address."""
    if name in ("", "localhost") or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _answer(
    status: bytes, text: bytes, more: bytes = b"", kind: bytes = b"text/plain; charset=utf-8"
) -> bytes:
    return (
        b"HTTP/1.1 " + status + b"\r\n" + more + b"Content-Type: " + kind + b"\r\n"
        b"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        b"Content-Length: " + str(len(text)).encode() + b"\r\nConnection: close\r\n\r\n" + text
    )
