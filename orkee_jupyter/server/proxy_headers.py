"""What of a request goes on to a page's server in a sandbox, and what of its answer comes back.

The page is hostile: it learns nothing of Jupyter's login, and gets no right at its origin.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from tornado.httputil import HTTPHeaders

#: Headers of one connection only (RFC 9110, 7.6.1), and those that the proxy sets itself.
_HOP: Final = frozenset(
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)
_NOT_IN: Final = _HOP | frozenset(
    [
        "cookie",
        "host",
        "origin",
        "referer",
        "expect",
        "content-length",
        "x-xsrftoken",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-real-ip",
    ]
)
#: What a page must not do to the origin that serves it: its cookies, storage, service
#: workers, transport, reports; and what the proxy says itself.
_NOT_OUT: Final = _HOP | frozenset(
    [
        "set-cookie",
        "set-cookie2",
        "clear-site-data",
        "service-worker-allowed",
        "strict-transport-security",
        "public-key-pins",
        "alt-svc",
        "nel",
        "report-to",
        "reporting-endpoints",
        "server",
        "date",
        "origin-agent-cluster",
        "referrer-policy",
        "x-content-type-options",
        "cross-origin-resource-policy",
    ]
)
_SANDBOX: Final = "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads"
#: Seconds that a browser may remember what a preflight was answered.
_PREFLIGHT_AGE: Final = "600"


def inward(
    headers: HTTPHeaders, port: int, prefix: str, secrets: Collection[str], *, by_link: bool
) -> HTTPHeaders:
    """Return the headers of a request as the page's server gets them.

    ``secrets`` are Jupyter's own tokens. The page's server sees a request to its own name,
    as it would on its own machine; ``prefix`` tells it where browsers see it.
    """
    named = _named_by_connection(headers)
    passed = HTTPHeaders()
    passed["Host"] = f"127.0.0.1:{port}"
    for name, value in headers.get_all():
        lower = name.lower()
        if lower in _NOT_IN or lower in named:
            continue
        if lower == "authorization" and (not by_link or is_jupyters(value, secrets)):
            continue
        passed.add(name, value)
    if "Origin" in headers:
        passed["Origin"] = f"http://127.0.0.1:{port}"
    if "Content-Length" in headers:
        passed["Content-Length"] = headers["Content-Length"]
    passed["X-Forwarded-Prefix"] = prefix
    return passed


def is_jupyters(authorization: str, secrets: Collection[str]) -> bool:
    """Whether an Authorization is meant for Jupyter rather than for a page's server."""
    scheme, _, rest = authorization.partition(" ")
    return scheme.lower() == "token" or rest.strip() in secrets


def query_without(query: str, secrets: Collection[str], *, by_link: bool) -> str:
    """Return a query string without Jupyter's token."""
    kept = []
    for part in query.split("&"):
        pair = parse_qsl(part, keep_blank_values=True)
        name, value = pair[0] if pair else ("", "")
        if name == "token" and (not by_link or value in secrets):
            continue
        kept.append(part)
    return "&".join(kept)


def outward(
    headers: HTTPHeaders, port: int, prefix: str, *, by_link: bool
) -> Iterable[tuple[str, str]]:
    """Yield the headers of an answer as the browser gets them."""
    named = _named_by_connection(headers)
    for name, value in headers.get_all():
        lower = name.lower()
        if lower in _NOT_OUT or lower in named or lower.startswith("access-control-"):
            continue
        if lower in ("location", "content-location"):
            value = relocated(value, port, prefix)
        yield name, value
    yield from shield(by_link=by_link)


def shield(*, by_link: bool) -> Iterable[tuple[str, str]]:
    """Yield what keeps a proxied page from the rights of the origin that serves it."""
    # A header of its own: a browser applies the page's policy as well, never in its place.
    yield "Content-Security-Policy", _SANDBOX
    yield "X-Content-Type-Options", "nosniff"
    yield "Referrer-Policy", "no-referrer"  # the path holds the capability
    if by_link:
        # To its own server the page's requests are cross-origin too, its origin being opaque.
        # Whoever has the link may read what it leads to; no cookie is of any use here.
        yield "Access-Control-Allow-Origin", "*"
        yield "Access-Control-Expose-Headers", "*"


def preflight(headers: HTTPHeaders) -> Iterable[tuple[str, str]]:
    """Yield what a browser is told that asks what a page may send to its own server."""
    yield from shield(by_link=True)
    yield "Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
    yield "Access-Control-Allow-Headers", headers.get("Access-Control-Request-Headers", "*")
    yield "Access-Control-Max-Age", _PREFLIGHT_AGE


def relocated(location: str, port: int, prefix: str) -> str:
    """Return where a redirect of the page's server leads as browsers see it."""
    parts = urlsplit(location)
    own = parts.hostname in ("127.0.0.1", "localhost", "::1") and parts.port in (port, None)
    if parts.netloc and not own:
        return location
    if not parts.path.startswith("/"):
        return location if not parts.netloc else f"{prefix}/"
    rest = parts._replace(scheme="", netloc="").geturl()
    return f"{prefix}/{rest.lstrip('/')}"


def _named_by_connection(headers: HTTPHeaders) -> frozenset[str]:
    """Return the further headers that are of one connection only."""
    values = ",".join(headers.get_list("Connection"))
    return frozenset(name.strip().lower() for name in values.split(","))
