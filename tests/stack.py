"""A whole stack for end-to-end tests and benchmarks: what `make up` starts, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tradebot.embedded.layout import CHECKOUT, Layout

NOT_INHERITED = {
    *("BROKER_URL", "DATABASE_URL", "REDIS_URL", "PAPER_EXCHANGE_URL"),
    *("SECRET_KEY", "CREDENTIAL_KEYS", "PAPER_EXCHANGE_TOKEN"),
    *("FLOWER_PASSWORD", "ADMIN_PASSWORD", "PROMETHEUS_MULTIPROC_DIR", "VAR_DIR"),
}


@dataclass(frozen=True)
class Trader:
    """A user made by `manage.py trader`, speaking to the API with their own token."""

    user_id: str
    token: str
    credential_id: str
    api: httpx.Client

    def all(self, path: str) -> list[dict[str, Any]]:
        """Every result of a list, page after page."""
        found: list[dict[str, Any]] = []
        url: str | None = path
        while url:
            body = self.api.get(url).raise_for_status().json()
            found += body.get("results", body.get("signals"))
            url = body["next"]
        return found


@dataclass(frozen=True)
class RunningStack:
    """Addresses and commands of a stack that is up."""

    layout: Layout
    environment: dict[str, str]

    @property
    def run(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.layout.run_file.read_text())
        return found

    def manage(self, *arguments: str, check: bool = True, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """`manage.py ARGUMENTS` against this stack."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=CHECKOUT,
            env=self.environment,
            capture_output=True,
            text=True,
            input=stdin,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"manage.py {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")
        return done

    def trader(self, name: str, *options: str, deposit: str = "USDT=10000") -> Trader:
        printed = json.loads(self.manage("trader", name, "--deposit", deposit, *options).stdout)
        headers = {"Authorization": f"Token {printed['token']}"}
        client = httpx.Client(base_url=self.run["web"], headers=headers, timeout=30)
        return Trader(**printed, api=client)

    def ingest(self, posts: Sequence[dict[str, Any] | str], *options: str) -> dict[str, Any]:
        """Feed posts through a file and wait until all are through; a text is written as it is."""
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
            file.writelines((post if isinstance(post, str) else json.dumps(post)) + "\n" for post in posts)
            file.flush()
            return self.ingest_file(Path(file.name), *options)

    def ingest_file(self, path: Path, *options: str) -> dict[str, Any]:
        printed: dict[str, Any] = json.loads(self.manage("ingest", str(path), "--wait", *options).stdout)
        return printed


@contextmanager
def running_stack(**environment: str) -> Iterator[RunningStack]:
    """A stack with servers of its own, unless `environment` names others."""
    with tempfile.TemporaryDirectory(prefix="tradebot-stack-") as folder:
        Path(folder).chmod(0o711)
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        full = {**inherited, "VAR_DIR": folder, "PORT": "18000", **environment}
        command = [sys.executable, "-m", "tradebot.embedded"]
        try:
            subprocess.run([*command, "up"], env=full, cwd=CHECKOUT, check=True)
            yield RunningStack(Layout(Path(folder)), full)
        finally:
            subprocess.run([*command, "down"], env=full, cwd=CHECKOUT, check=True)
