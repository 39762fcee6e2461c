"""A session without an engine: real HTTP and GraphQL, of which the tests write the answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagger
from dagger.client._config import ConnectConfig, Retry, Timeout
from dagger.client._session import ConnectParams, SingleConnection
from graphql import (
    GraphQLError,
    GraphQLResolveInfo,
    build_schema,
    get_named_type,
    graphql_sync,
    is_leaf_type,
)

#: The fields and their arguments that lead to an answer: [("container", {}), ("from", {…}), …].
Steps = list[tuple[str, dict[str, Any]]]
#: Gives the value of the last step; may wait, and may raise GraphQLError. None: the usual one.
Answer = Callable[[Steps], Any]

SCHEMA = build_schema("""
scalar ContainerID  scalar FileID  scalar CacheVolumeID  scalar SecretID  scalar SocketID
scalar ServiceID  scalar Platform
enum ExistsType { REGULAR_TYPE DIRECTORY_TYPE SYMLINK_TYPE }
type Query {
  container: Container!  host: Host!  engine: Engine!  defaultPlatform: Platform!
  secret(uri: String!): Secret!
  cacheVolume(key: String!): CacheVolume!
  setSecret(name: String!, plaintext: String!): Secret!
  loadContainerFromID(id: ContainerID!): Container!
  loadFileFromID(id: FileID!): File!
  loadServiceFromID(id: ServiceID!): Service!
}
type Engine { localCache: EngineCache! }
type EngineCache {
  entrySet(key: String): EngineCacheEntrySet!  prune(useDefaultPolicy: Boolean): Boolean
}
type EngineCacheEntrySet { diskSpaceBytes: Int!  entryCount: Int! }
type Host { file(path: String!): File!  unixSocket(path: String!): Socket! }
type File { id: FileID! }
type CacheVolume { id: CacheVolumeID! }
type Secret { id: SecretID!  plaintext: String! }
type Socket { id: SocketID! }
type Container {
  id: ContainerID!  sync: ContainerID!  user: String!
  exists(path: String!, expectedType: ExistsType): Boolean!
  from(address: String!): Container!
  withExec(args: [String!]!): Container!
  withUser(name: String!): Container!
  withWorkdir(path: String!): Container!
  withEnvVariable(name: String!, value: String!): Container!
  withMountedCache(path: String!, cache: CacheVolumeID!): Container!
  withMountedFile(path: String!, source: FileID!): Container!
  withMountedSecret(path: String!, source: SecretID!, owner: String, mode: Int): Container!
  withUnixSocket(path: String!, source: SocketID!, owner: String): Container!
  asService(args: [String!]): Service!
}
type Service {
  id: ServiceID!  start: ServiceID!  hostname: String!  stop(kill: Boolean): ServiceID!
}
""")
_USUAL = {"user": "", "exists": False, "defaultPlatform": "linux/amd64", "hostname": "host-1"}
_USUAL |= {"plaintext": "", "diskSpaceBytes": 1000, "entryCount": 7, "prune": True}
TOKEN = "secret-of-the-session"


class FakeSession:
    """A GraphQL server on a loopback port; ``asked`` holds what it was asked to do."""

    def __init__(self) -> None:
        self.answer: Answer = lambda steps: None
        self.asked: list[Steps] = []
        self.broken = 0  # so many next answers say that the engine is gone
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = json.dumps(fake._run(json.loads(body))).encode()
                if fake.broken:
                    fake.broken -= 1
                    self.send_error(502)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *arguments: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128  # of 5 the kernel resets what comes beyond in one moment

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def line(self) -> str:
        """What the session says on its stdout."""
        return json.dumps({"port": self._server.server_port, "session_token": TOKEN})

    async def connect(self) -> tuple[SingleConnection, dagger.Client]:
        """Return a connection, which the caller closes, and the SDK's client on it."""
        params = ConnectParams(port=self._server.server_port, session_token=TOKEN)
        config = ConnectConfig(timeout=Timeout(None), retry=Retry(execute=False))
        connection = await SingleConnection(params, config).connect()
        return connection, dagger.Client.from_connection(connection)

    def count(self, field: str) -> int:
        """Return how many times something was asked for that ends with ``field``."""
        return sum(steps[-1][0] == field for steps in self.asked)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _run(self, request: dict[str, Any]) -> dict[str, Any]:
        result = graphql_sync(
            SCHEMA,
            request["query"],
            variable_values=request.get("variables"),
            field_resolver=self._resolve,
        )
        return dict(result.formatted)

    def _resolve(
        self, source: Steps | None, info: GraphQLResolveInfo[Any], /, **arguments: Any
    ) -> Any:
        if info.field_name.startswith("load"):
            return [(name, given) for name, given in json.loads(arguments["id"])]
        steps = [*(source or []), (info.field_name, arguments)]
        if not is_leaf_type(get_named_type(info.return_type)):
            return steps
        if info.field_name != "id":
            self.asked.append(steps)
        given = self.answer(steps)
        if given is not None:
            return given
        return _USUAL.get(info.field_name, json.dumps(source))


def exec_error(command: str, code: int, stderr: str, stdout: str = "") -> GraphQLError:
    """Return the error of a command in a container, as the engine words it."""
    extensions = {
        "_type": "EXEC_ERROR",
        "cmd": ["sh", "-c", command],
        "exitCode": code,
        "stdout": stdout,
        "stderr": stderr,
    }
    return GraphQLError(f"exit code: {code} [traceparent:0-1]", extensions=extensions)


def script(path: Path, text: str) -> Path:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def cli(path: Path, fake: FakeSession, before: str = ":") -> Path:
    """Write a ``dagger`` whose session is the fake and ends with its stdin."""
    return script(path, f"{before}\necho '{fake.line}'\nexec cat")
