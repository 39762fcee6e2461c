"""The stub server's part for ports: links, and waiting that ends as the test says."""

from __future__ import annotations

from orkee_jupyter.problems import to_problem

from .stub_server import Base


class Link(Base):
    def post(self, ref: str, port: str) -> None:
        sandbox = self.stub.find(ref)
        self.set_status(201)
        path = f"{self.stub.base_url}orkee/proxy/{sandbox['id']}/{port}/~secret/"
        self.write({"success": True, "path": path, "expires_in": 3600.0})


class Wait(Base):
    async def post(self, ref: str) -> None:
        sandbox = self.stub.find(ref)
        self.write("\n")  # a heartbeat
        if self.stub.fail_wait:
            return await self.line(to_problem(self.stub.fail_wait))
        await self.line({"success": True, "sandbox": sandbox})
