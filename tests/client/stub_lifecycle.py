"""The stub server's verbs of a sandbox's life: pause, resume, extend, keep."""

from __future__ import annotations

import json

from orkee_jupyter.sandbox.errors import OrkeeError

from .stub_server import Base


class Verb(Base):
    """Moves the dictionary as the real server would move the sandbox."""

    def post(self, ref: str, verb: str) -> None:
        sandbox = self.stub.find(ref)
        if sandbox["status"] not in ("active", "paused"):
            raise OrkeeError("sandbox_not_active", "The sandbox has ended.", "Make another.")
        if verb == "pause":
            sandbox |= {"status": "paused", "host_url": None}
        elif verb == "extend":
            sandbox["expires_at"] += 1000
        elif verb == "keep":
            sandbox["stop_at"] = None
        if verb != "resume":
            self.write({"success": True, "sandbox": sandbox})
            return
        sandbox |= {"status": "active", "host_url": "http://127.0.0.1:40000"}
        self.write(json.dumps({"progress": "starting the container"}) + "\n\n")
        self.write(json.dumps({"success": True, "sandbox": sandbox}) + "\n")


class Sql(Base):
    """Answers each query with the same two rows."""

    def post(self) -> None:
        self.stub.asked.append(json.loads(self.request.body))
        columns = [{"name": "name", "type": "VARCHAR"}, {"name": "made", "type": "TIMESTAMP"}]
        rows = [["web", "2026-11-24 10:00:00.5"], [None, None]]
        notes = ["Of logs the newest 2 rows were looked at."] if self.stub.cut else []
        answer = {"columns": columns, "rows": rows, "cut": self.stub.cut, "notes": notes}
        self.write({"success": True, **answer})
