"""The server as a process of its own, and a test's hand on it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

_ROOT = Path(__file__).parents[3]


@dataclass
class LocalX:
    """Its address, and everything at /_control."""

    port: int
    client: httpx.Client

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.endpoint}"

    def post(self, username: str, text: str = "", **more: Any) -> str:
        """One post; its id."""
        return self.posts([{"username": username, "text": text, **more}])[0]

    def posts(self, posts: Sequence[dict[str, Any]]) -> list[str]:
        ids: list[str] = self.do("posts", posts=list(posts))["ids"]
        return ids

    def edit(self, number: str, text: str) -> str:
        return str(self.do("edit", id=number, text=text)["id"])

    def faults(self, *faults: dict[str, Any]) -> None:
        self.do("faults", faults=list(faults))

    def requests(self, *, forget: bool = False) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.do("requests", forget=forget)["requests"]
        return found

    def await_listener(self, connections: int = 1) -> None:
        """Until somebody listens, after so many connections since requests were forgotten."""
        deadline = time.monotonic() + 10
        while self.connections() < connections or not self.do("stream")["listeners"]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.connections()} connections, and nobody listens")
            time.sleep(0.02)

    def connections(self) -> int:
        """How often the stream was asked for since requests were forgotten."""
        return sum(entry["endpoint"] == "GET /2/tweets/search/stream" for entry in self.requests())

    def do(self, command: str, **given: Any) -> dict[str, Any]:
        answer = self.client.post(f"{self.url}/_control/{command}", json=given)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def running(*arguments: str) -> Iterator[LocalX]:
    """Started with these arguments, for as long as the block runs."""
    command = [sys.executable, "-m", "tests.outside.x", "--tied", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT)
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        with httpx.Client(timeout=30, trust_env=False) as client:
            yield LocalX(port, client)
    finally:
        process.terminate()
        process.communicate(timeout=10)
