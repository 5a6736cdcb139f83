"""var/run.json: the addresses of the running stack, where manage.py finds them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tradebot.embedded.layout import write_private


@dataclass(frozen=True)
class Addresses:
    """URLs of a running stack; those of servers hold their credentials."""

    web: str
    flower: str
    broker: str
    database: str
    redis: str
    paper_exchange: str


def write(path: Path, addresses: Addresses) -> None:
    """Writes the addresses at once, mode 0600."""
    write_private(path, json.dumps(asdict(addresses), indent=2) + "\n")


def read(path: Path) -> Addresses | None:
    """The addresses, or None when no stack wrote any."""
    try:
        return Addresses(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None


def remove(path: Path) -> None:
    """The stack is gone, so are its addresses."""
    path.unlink(missing_ok=True)
