"""What the stub server says of usage."""

from __future__ import annotations

import json
from typing import Any

from .stub_server import Base

STATS: dict[str, Any] = {
    "time": 1_700_000_000.5,
    "cpu_percent": 12.5,
    "cpu_seconds": 3.25,
    "throttled_seconds": 1.5,
    "memory_bytes": 64 << 20,
    "memory_peak_bytes": 80 << 20,
    "processes": 2,
    "threads": 5,
    "network_received_bytes": 1024,
    "network_sent_bytes": 2048,
    "disk_bytes": 4096,
    "disk_complete": True,
}


class Stats(Base):
    def get(self, ref: str) -> None:
        self.stub.find(ref)
        if self.get_query_argument("follow", "0") == "0":
            self.write({"success": True, "stats": STATS})
            return
        for second in range(3):
            self.write(json.dumps({"stats": STATS | {"time": second}}) + "\n\n")
        self.write(json.dumps({"end": "stopped"}) + "\n")
