"""How users write ports: 3000, or "8080:3000" with the host's port first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from .errors import OrkeeError
from .validate import show, validate_ports

_SPEC: Final = re.compile(r"([0-9]{1,5}):([0-9]{1,5})")


def parse_ports(value: object, field: str = "ports") -> tuple[tuple[int, ...], Mapping[int, int]]:
    """Return the sandbox's ports, in the order given, and the host's port of those that name one.

    Raises ``invalid_port``.
    """
    if not isinstance(value, (list, tuple)):
        return validate_ports(value, field), {}
    wanted: dict[int, int] = {}
    numbers: list[object] = []
    for each in value:
        found = _SPEC.fullmatch(each) if isinstance(each, str) else None
        if isinstance(each, str) and found is None:
            raise OrkeeError(
                "invalid_port",
                f"{show(each)} is no port.",
                "Give 3000, or '8080:3000' with the port of this host first.",
                details={"field": field},
            )
        port = int(found[2]) if found is not None else each
        numbers.append(port)
        if found is not None and isinstance(port, int):
            wanted[port] = int(found[1])
    ports = validate_ports(numbers, field)
    validate_ports(list(wanted.values()), field)  # in range, and none wanted twice
    return ports, wanted
