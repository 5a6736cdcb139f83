"""The hostile hosts as a process of their own, and a test's hand on them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

_ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Hostile:
    """Ports: `web` of its pages, `canary` (TCP) and `udp` of the canary, which listens on all addresses there are."""

    process: subprocess.Popen[str]
    web: int
    canary: list[int]
    udp: int

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.web}"

    def url(self, path: str, **query: object) -> str:
        return f"http://{self.endpoint}{path}" + (f"?{urlencode(query)}" if query else "")

    def counted(self) -> dict[str, Any]:
        """What reached the canary until now: `tcp`, `udp` (numbers), `ways` (how the attack page got there)."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("count\n")
        self.process.stdin.flush()
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found


@contextmanager
def running() -> Iterator[Hostile]:
    """For as long as the block runs."""
    command = [sys.executable, "-m", "tests.outside.hostile"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT, text=True) as process:
        assert process.stdout is not None
        try:
            yield Hostile(process, **json.loads(process.stdout.readline()))
        finally:
            process.terminate()
