"""What a sandbox may reach: everything, nothing, or some hosts."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from .errors import OrkeeError
from .validate import show, validate_name

FULL: Final = "full"
NONE: Final = "none"
_ALLOW: Final = "allow:"
#: Hosts that may be named, and sandboxes.
MOST: Final = 32
_NAME: Final = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)


def parse_network(value: object, field: str = "network") -> str:
    """Return a policy as it is kept: "full", "none" or "allow:HOST,…", in lower case.

    A host is a name, an IPv4 address or a prefix such as 192.0.2.0/24. Raises
    ``invalid_request``.
    """
    text = value.strip().lower() if isinstance(value, str) else None
    if text in (FULL, NONE):
        return str(text)
    if text is None or not text.startswith(_ALLOW):
        raise _refuse(field, f"{field} is {show(value)}.")
    hosts = [each.strip() for each in text.removeprefix(_ALLOW).split(",")]
    for host in hosts:
        if not _NAME.fullmatch(host) and not _is_address(host):
            raise _refuse(field, f"{show(host)} in {field} is no host.")
    if len(hosts) > MOST:
        raise _refuse(field, f"{field} names more than {MOST} hosts.")
    return _ALLOW + ",".join(dict.fromkeys(hosts))


def hosts_of(network: str) -> list[str] | None:
    """Return the hosts that may be reached; None for all."""
    if network == FULL:
        return None
    return network.removeprefix(_ALLOW).split(",") if network.startswith(_ALLOW) else []


def parse_links(value: object, field: str = "links") -> tuple[str, ...]:
    """Return the names of sandboxes to be linked to, each once. Raises ``invalid_request``."""
    if not isinstance(value, (list, tuple)):
        raise _refuse_links(field, f"{field} is no list.")
    names = tuple(dict.fromkeys(validate_name(each, field) for each in value))
    if "localhost" in names:
        raise _refuse_links(field, f"{field} names localhost, which is each sandbox itself.")
    if len(names) > MOST:
        raise _refuse_links(field, f"{field} names more than {MOST} sandboxes.")
    return names


def _refuse_links(field: str, cause: str) -> OrkeeError:
    return OrkeeError(
        "invalid_request",
        cause,
        'Give names of sandboxes, such as ["db"].',
        details={"field": field},
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return False
    return True


def _refuse(field: str, cause: str) -> OrkeeError:
    return OrkeeError(
        "invalid_request",
        cause,
        "Give full, none, or allow: and hosts, such as allow:pypi.org,192.0.2.0/24.",
        details={"field": field},
    )
