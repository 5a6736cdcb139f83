"""A real paper exchange in a process of its own, for tests."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "operator-token-of-a-test"
_numbers = itertools.count(1)


class PaperProcess:
    """Started on a free port; `url` is where it listens."""

    def __init__(self, ledger: Path, *arguments: str, token: str = TOKEN) -> None:
        self.ledger = ledger
        command = [sys.executable, "-m", "apps.exchanges.paper", "--port", "0", "--ledger", str(ledger), *arguments]
        environment = os.environ | {"PAPER_EXCHANGE_TOKEN": token}
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        self.url = self._address()

    def kill(self) -> None:
        """kill -9: nothing is flushed or closed."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(10)

    def operator(self, method: str, path: str, body: Any = None, token: str = TOKEN) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, f"{self.url}/paper/{path}", json=body, headers=headers, timeout=10)

    def account(self, deposits: Mapping[str, str], **more: Any) -> tuple[str, str]:
        """A new funded account: its API key and secret."""
        number = next(_numbers)
        keys = (f"test-key-{number:06}", f"test-secret-{number:06}")
        body = {"api_key": keys[0], "secret": keys[1], "deposits": deposits, **more}
        assert self.operator("POST", "accounts", body).status_code == 200
        return keys

    def price(self, pair: str, price: str) -> list[int]:
        """Move a market; returns the ids of orders that acted."""
        answer = self.operator("POST", "price", {"pair": pair, "price": price})
        assert answer.status_code == 200, answer.text
        acted: list[int] = answer.json()["acted"]
        return acted

    def fault(self, kind: str, **rule: Any) -> int:
        """Order a fault; returns its rule's id."""
        answer = self.operator("POST", "faults", {"kind": kind, **rule})
        assert answer.status_code == 200, answer.text
        found: int = answer.json()["rules"][0]["id"]
        return found

    def rows(self, table: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.operator("GET", "ledger").json()[table]
        return found

    def _address(self) -> str:
        assert self.process.stderr
        said = []
        for line in self.process.stderr:
            said.append(line)
            if found := re.search(r"http://\S+", line):
                threading.Thread(target=self.process.stderr.read, daemon=True).start()
                return found.group()
        raise AssertionError(f"the paper exchange did not start: {''.join(said)}")
