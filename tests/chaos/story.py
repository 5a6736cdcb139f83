"""What happened to a command or an account: its rows here, its orders in the exchange's ledger, its log lines."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

LINES = 12
_ROWS = (
    "SELECT created_at, id, leg, state, code, amount, left(reason, 80) FROM trading_command"
    " WHERE credential_id = %s ORDER BY created_at",
    "SELECT created_at, id, command_id, leg, type, status, amount, filled, misses, left(reason, 80) FROM trading_order"
    " WHERE credential_id = %s ORDER BY created_at",
    "SELECT at, trade_id, venue_order_id, side, amount, fee, fee_currency FROM trading_fill"
    " WHERE credential_id = %s ORDER BY at",
    "SELECT updated_at, coin, amount FROM trading_position WHERE credential_id = %s",
)
_LEDGER = (
    "SELECT o.id, o.client_id, o.side, o.kind, o.status, o.qty, o.filled, o.created_at FROM orders o"
    " JOIN accounts a ON a.id = o.account WHERE a.api_key = ? ORDER BY o.id"
)


def rows(database: str, ledger: Path, credential: str, api_key: str) -> Iterator[str]:
    """The account's last rows on both sides, oldest first."""
    with psycopg.connect(database) as product:
        for query in _ROWS:
            table = query.split(" FROM ")[1].split()[0]
            yield from _told(table, product.execute(query, [credential]).fetchall())
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as theirs:
        yield from _told("ledger", theirs.execute(_LEDGER, [api_key]).fetchall())


def _told(table: str, found: list[Any]) -> Iterator[str]:
    for row in found[-LINES:]:
        yield f"{table}: " + " ".join(str(value) for value in row)


def log_lines(logs: Path, about: str) -> list[str]:
    """The last lines of all logs that name one of the ids in `about`."""
    ids = [word for word in about.split() if len(word) >= LINES]
    found: list[str] = []
    for path in sorted(logs.glob("*.log*")):
        with path.open(errors="replace") as lines:
            found += [f"{path.name}: {line.rstrip()[:300]}" for line in lines if any(each in line for each in ids)]
    return found[-LINES:]
