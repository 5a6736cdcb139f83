"""The agent behind HTTP, with Consul's paths, methods and kinds of refusal."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.outside.consul.agent import Agent, Refused


def handler(agent: Agent, seen: list[str]) -> type[BaseHTTPRequestHandler]:
    """Serves `agent`; `seen` gets every request's method and path."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            self._answer(self._put)

        def do_GET(self) -> None:
            self._answer(self._get)

        def _answer(self, work: Any) -> None:
            seen.append(f"{self.command} {self.path}")
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            parts = urlsplit(self.path)
            try:
                if agent.token and not hmac.compare_digest(self.headers.get("X-Consul-Token", ""), agent.token):
                    raise Refused(403, "Permission denied: token with AccessorID '' lacks permission")
                work(unquote(parts.path), parse_qs(parts.query, keep_blank_values=True), body)
            except Refused as refused:
                self._send(refused.status, refused.reason.encode(), "text/plain")

        def _put(self, path: str, query: dict[str, list[str]], body: bytes) -> None:
            if path == "/v1/agent/service/register":
                agent.register(json.loads(body))
            elif path.startswith("/v1/agent/service/deregister/"):
                agent.deregister(path.removeprefix("/v1/agent/service/deregister/"))
            elif path.startswith("/v1/agent/check/pass/"):
                agent.pass_check(path.removeprefix("/v1/agent/check/pass/"), query.get("note", [""])[0])
            elif path == "/stand-in/advance":
                agent.advance(float(query["seconds"][0]))
            elif path == "/stand-in/forget":
                agent.forget()
            else:
                raise Refused(404, "")
            self._send(200, b"", "application/json")

        def _get(self, path: str, query: dict[str, list[str]], body: bytes) -> None:
            if not path.startswith("/v1/health/service/"):
                raise Refused(404, "")
            index, found = agent.health(path.removeprefix("/v1/health/service/"), passing="passing" in query)
            self._send(200, json.dumps(found).encode(), "application/json", {"X-Consul-Index": str(index)})

        def _send(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Nothing: tests look at `seen`."""

    return Handler


@dataclass
class Serving:
    """A running agent of this process."""

    agent: Agent
    port: int
    seen: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"consul://127.0.0.1:{self.port}"


@contextmanager
def serving(token: str = "", port: int = 0) -> Iterator[Serving]:
    """An agent on loopback for the length of the block."""
    agent, seen = Agent(token), []  # type: tuple[Agent, list[str]]
    server = ThreadingHTTPServer(("127.0.0.1", port), handler(agent, seen))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Serving(agent, server.server_address[1], seen)
    finally:
        server.shutdown()
        server.server_close()
