"""The durable ledger: accounts, deposits, balances, orders, fills and prices in one SQLite file (WAL).

Every change happens inside `transaction()`, so a killed process leaves either all of an order's effects or none
(a power cut may lose the last moments: synchronous = NORMAL spares every order a flush of the disk).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from apps.exchanges.paper.trade import Fill, Holding, Kind, Order, OrderList, Side, Status, Tif

__all__ = ["Account", "Holding", "Ledger"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    id INTEGER PRIMARY KEY, api_key TEXT NOT NULL UNIQUE, secret TEXT NOT NULL, withdraw INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS deposits (
    id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES accounts, asset TEXT NOT NULL, amount TEXT NOT NULL,
    at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS balances (
    account INTEGER NOT NULL REFERENCES accounts, asset TEXT NOT NULL, free TEXT NOT NULL, locked TEXT NOT NULL,
    PRIMARY KEY (account, asset)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL REFERENCES accounts, symbol TEXT NOT NULL,
    client_id TEXT NOT NULL, side TEXT NOT NULL, kind TEXT NOT NULL, tif TEXT NOT NULL, price TEXT NOT NULL,
    qty TEXT NOT NULL, quote_qty TEXT NOT NULL, stop_price TEXT NOT NULL, created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL, filled TEXT NOT NULL, quote_filled TEXT NOT NULL, status TEXT NOT NULL,
    locked TEXT NOT NULL, working_at INTEGER NOT NULL, trail INTEGER NOT NULL DEFAULT 0,
    extreme TEXT NOT NULL DEFAULT '0', list_id INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS lists (
    id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL REFERENCES accounts, symbol TEXT NOT NULL,
    client_id TEXT NOT NULL, at INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS lists_by_client_id ON lists (account, client_id);
CREATE INDEX IF NOT EXISTS orders_by_client_id ON orders (account, client_id);
CREATE INDEX IF NOT EXISTS orders_by_symbol ON orders (account, symbol, id);
CREATE INDEX IF NOT EXISTS open_by_symbol ON orders (symbol) WHERE status IN ('new', 'partially_filled');
CREATE INDEX IF NOT EXISTS open_by_account ON orders (account, symbol, client_id)
    WHERE status IN ('new', 'partially_filled');
CREATE TABLE IF NOT EXISTS fills (
    id INTEGER PRIMARY KEY AUTOINCREMENT, order_id INTEGER NOT NULL REFERENCES orders, account INTEGER NOT NULL,
    symbol TEXT NOT NULL, side TEXT NOT NULL, price TEXT NOT NULL, qty TEXT NOT NULL, fee TEXT NOT NULL,
    fee_asset TEXT NOT NULL, maker INTEGER NOT NULL, at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS fills_by_order ON fills (order_id);
CREATE INDEX IF NOT EXISTS fills_by_symbol ON fills (account, symbol, id);
CREATE TABLE IF NOT EXISTS prices (symbol TEXT PRIMARY KEY, price TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
"""

_ADDED = {"trail": "INTEGER NOT NULL DEFAULT 0", "extreme": "TEXT NOT NULL DEFAULT '0'"} | {
    "list_id": "INTEGER NOT NULL DEFAULT 0"
}
"""Columns of orders that ledgers of earlier versions lack."""
_LIST_INDEX = "CREATE INDEX IF NOT EXISTS orders_by_list ON orders (list_id) WHERE list_id > 0"
_ORDER = (
    "id, account, symbol, client_id, side, kind, tif, price, qty, quote_qty, stop_price, created_at, updated_at, "
    "filled, quote_filled, status, locked, working_at, trail, extreme, list_id"
)
_FILL = "id, order_id, symbol, side, price, qty, fee, fee_asset, maker, at"
_IS_OPEN = "status IN ('new', 'partially_filled')"
# Named, because the planner would rather walk an account's whole history than the few open rows.
_OPEN_OF_ACCOUNT = f"orders INDEXED BY open_by_account WHERE {_IS_OPEN} AND account = ?"


@dataclass(frozen=True, slots=True)
class Account:
    """Who may trade. The secret is kept readable: an HMAC can't be checked against a hash."""

    id: int
    api_key: str
    secret: bytes
    withdraw: bool


class Ledger:
    """One SQLite file. Used by one thread; rows are read and written by primary key or index only."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None, cached_statements=256)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA wal_autocheckpoint = 10000")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(_SCHEMA)
        self._add_columns()
        self._db.execute(_LIST_INDEX)
        self._accounts: dict[str, Account] = {}

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; raises what the body raised."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def account(self, api_key: str) -> Account | None:
        """The account of an API key, remembered after the first read."""
        known = self._accounts.get(api_key)
        return known or self._read_account(api_key)

    def open_account(self, api_key: str, secret: str, *, withdraw: bool = False) -> Account:
        """Create the account, or find it. Raises ValueError when the key exists with another secret."""
        self._db.execute(
            "INSERT INTO accounts (api_key, secret, withdraw) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (api_key, secret, withdraw),
        )
        account = self._read_account(api_key)
        if account is None or account.secret != secret.encode():
            raise ValueError("api_key exists with another secret; choose another api_key")
        return account

    def deposit(self, account: int, asset: str, amount: Decimal, at: int) -> None:
        """Add to an account's free balance, and note where it came from."""
        self._db.execute(
            "INSERT INTO deposits (account, asset, amount, at) VALUES (?, ?, ?, ?)", (account, asset, str(amount), at)
        )
        holding = self.holding(account, asset)
        holding.free += amount
        self.save_holding(account, asset, holding)

    def holding(self, account: int, asset: str) -> Holding:
        row = self._db.execute(
            "SELECT free, locked FROM balances WHERE account = ? AND asset = ?", (account, asset)
        ).fetchone()
        return Holding(Decimal(row[0]), Decimal(row[1])) if row else Holding()

    def holdings(self, account: int) -> Mapping[str, Holding]:
        """Every asset the account ever had."""
        rows = self._db.execute("SELECT asset, free, locked FROM balances WHERE account = ? ORDER BY asset", (account,))
        return {asset: Holding(Decimal(free), Decimal(locked)) for asset, free, locked in rows}

    def save_holding(self, account: int, asset: str, holding: Holding) -> None:
        if holding.free < 0 or holding.locked < 0:
            raise ArithmeticError(f"{asset} of account {account} would fall below zero")
        self._db.execute(
            "INSERT INTO balances VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET free = excluded.free, locked = excluded.locked",
            (account, asset, str(holding.free), str(holding.locked)),
        )

    def add_order(self, order: Order) -> None:
        """Insert, and give the order its id."""
        values = _order_values(order)[1:]
        cursor = self._db.execute(f"INSERT INTO orders VALUES (NULL{', ?' * len(values)})", values)  # noqa: S608
        order.id = cursor.lastrowid or 0

    def save_order(self, order: Order) -> None:
        self._db.execute(
            "UPDATE orders SET filled = ?, quote_filled = ?, status = ?, locked = ?, working_at = ?, updated_at = ?, "
            "qty = ?, extreme = ? WHERE id = ?",
            (
                *(str(value) for value in (order.filled, order.quote_filled, order.status, order.locked)),
                order.working_at,
                order.updated_at,
                str(order.qty),
                str(order.extreme),
                order.id,
            ),
        )

    def add_list(self, orders: OrderList) -> None:
        """Insert, and give the list its id."""
        values = (orders.account, orders.symbol, orders.client_id, orders.at)
        cursor = self._db.execute("INSERT INTO lists (account, symbol, client_id, at) VALUES (?, ?, ?, ?)", values)
        orders.id = cursor.lastrowid or 0

    def end_list(self, list_id: int) -> None:
        self._db.execute("UPDATE lists SET done = 1 WHERE id = ?", (list_id,))

    def lists(self, account: int, *, open_only: bool = False, limit: int = 1000) -> list[OrderList]:
        """An account's newest order lists, oldest first."""
        query = f"SELECT * FROM lists WHERE account = ? {'AND NOT done' if open_only else ''} ORDER BY id DESC LIMIT ?"  # noqa: S608
        return [_list(row) for row in self._db.execute(query, (account, limit))][::-1]

    def find_list(self, account: int, *, list_id: int | None = None, client_id: str | None = None) -> OrderList | None:
        """The order list of that id, else the newest with that client id."""
        column, key = ("id", list_id) if list_id is not None else ("client_id", client_id)
        query = f"SELECT * FROM lists WHERE account = ? AND {column} = ? ORDER BY id DESC LIMIT 1"  # noqa: S608
        row = self._db.execute(query, (account, key)).fetchone()
        return _list(row) if row else None

    def legs(self, list_id: int) -> list[Order]:
        """The orders of a list, oldest first."""
        query = f"SELECT {_ORDER} FROM orders WHERE list_id = ? AND list_id > 0 ORDER BY id"  # noqa: S608
        return [_order(row) for row in self._db.execute(query, (list_id,))]

    def add_fill(self, account: int, fill: Fill) -> Fill:
        """Insert, and return it with its id."""
        cursor = self._db.execute(
            "INSERT INTO fills VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                fill.order,
                account,
                *(str(value) for value in (fill.symbol, fill.side, fill.price, fill.qty, fill.fee, fill.fee_asset)),
                fill.maker,
                fill.at,
            ),
        )
        return replace(fill, id=cursor.lastrowid or 0)

    def order(
        self, account: int, symbol: str, *, order_id: int | None = None, client_id: str | None = None
    ) -> Order | None:
        """The order of that id, else the newest with that client id."""
        column, key = ("id", order_id) if order_id is not None else ("client_id", client_id)
        row = self._db.execute(
            f"SELECT {_ORDER} FROM orders WHERE account = ? AND symbol = ? AND {column} = ? ORDER BY id DESC LIMIT 1",  # noqa: S608
            (account, symbol, key),
        ).fetchone()
        return _order(row) if row else None

    def has_open(self, account: int, symbol: str, client_id: str) -> bool:
        """Whether an open order bears this client id."""
        query = f"SELECT 1 FROM {_OPEN_OF_ACCOUNT} AND symbol = ? AND client_id = ?"  # noqa: S608
        return self._db.execute(query, (account, symbol, client_id)).fetchone() is not None

    def count_open(self, account: int, symbol: str) -> int:
        query = f"SELECT count(*) FROM {_OPEN_OF_ACCOUNT} AND symbol = ?"  # noqa: S608
        count: int = self._db.execute(query, (account, symbol)).fetchone()[0]
        return count

    def open_orders(self, *, account: int | None = None, symbol: str | None = None) -> list[Order]:
        """Open orders, oldest first; of one account, one symbol, or both."""
        index = "open_by_symbol" if account is None else "open_by_account"
        query = f"SELECT {_ORDER} FROM orders INDEXED BY {index} WHERE {_IS_OPEN}"  # noqa: S608
        given = {name: value for name, value in (("account", account), ("symbol", symbol)) if value is not None}
        query += "".join(f" AND {name} = ?" for name in given) + " ORDER BY id"
        return [_order(row) for row in self._db.execute(query, tuple(given.values()))]

    def orders(self, account: int, symbol: str, where: Mapping[str, int], limit: int) -> list[Order]:
        """Orders oldest first; see `_page` for `where`."""
        rows = self._page("orders", _ORDER, account=account, symbol=symbol, where=where, limit=limit, at="created_at")
        return [_order(row) for row in rows]

    def fills(self, account: int, symbol: str, where: Mapping[str, int], limit: int) -> list[Fill]:
        """Fills oldest first; see `_page` for `where`."""
        rows = self._page("fills", _FILL, account=account, symbol=symbol, where=where, limit=limit, at="at")
        return [_fill(row) for row in rows]

    def order_fills(self, order: int) -> list[Fill]:
        query = f"SELECT {_FILL} FROM fills WHERE order_id = ? ORDER BY id"  # noqa: S608
        return [_fill(row) for row in self._db.execute(query, (order,))]

    def prices(self) -> Mapping[str, Decimal]:
        return {symbol: Decimal(price) for symbol, price in self._db.execute("SELECT symbol, price FROM prices")}

    def save_price(self, symbol: str, price: Decimal, at: int) -> None:
        self._db.execute(
            "INSERT INTO prices VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET price = excluded.price, at = excluded.at",
            (symbol, str(price), at),
        )

    def dump(self) -> dict[str, list[dict[str, object]]]:
        """Every row of every table except secrets: what a checker compares with the product's own tables."""
        columns = {"accounts": "id, api_key, withdraw", "deposits": "*", "balances": "*", "orders": "*", "fills": "*"}
        columns |= {"lists": "*", "prices": "*"}
        return {table: self._rows(f"SELECT {names} FROM {table}") for table, names in columns.items()}  # noqa: S608

    def _add_columns(self) -> None:
        known = {row[1] for row in self._db.execute("PRAGMA table_info(orders)")}
        for name, type_ in _ADDED.items():
            if name not in known:
                self._db.execute(f"ALTER TABLE orders ADD COLUMN {name} {type_}")

    def _rows(self, query: str) -> list[dict[str, object]]:
        cursor = self._db.execute(query)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def _page(
        self,
        table: str,
        columns: str,
        *,
        account: int,
        symbol: str,
        where: Mapping[str, int],
        limit: int,
        at: str,
    ) -> list[tuple[Any, ...]]:
        """`where`: from_id, order, since, until. Without from_id or since the newest rows are meant, as on Binance."""
        tests = {"from_id": "id >= ?", "order": "order_id = ?", "since": f"{at} >= ?", "until": f"{at} <= ?"}
        query = f"SELECT {columns} FROM {table} WHERE account = ? AND symbol = ?"  # noqa: S608
        query += "".join(f" AND {tests[name]}" for name in where)
        forward = "from_id" in where or "since" in where
        query += f" ORDER BY id {'ASC' if forward else 'DESC'} LIMIT ?"
        rows = self._db.execute(query, (account, symbol, *where.values(), limit)).fetchall()
        return rows if forward else rows[::-1]

    def _read_account(self, api_key: str) -> Account | None:
        query = "SELECT id, api_key, secret, withdraw FROM accounts WHERE api_key = ?"
        row = self._db.execute(query, (api_key,)).fetchone()
        if row is None:
            return None
        account = Account(row[0], row[1], row[2].encode(), bool(row[3]))
        self._accounts[api_key] = account
        return account


def _order_values(order: Order) -> tuple[object, ...]:
    values = (getattr(order, name) for name in _ORDER.split(", "))
    return tuple(value if isinstance(value, int) else str(value) for value in values)


def _order(row: tuple[Any, ...]) -> Order:
    (id_, account, symbol, client_id, side, kind, tif, price, qty, quote_qty, stop, created, updated) = row[:13]
    filled, quote_filled, status, locked, working, trail, extreme, list_id = row[13:]
    return Order(
        id=id_,
        account=account,
        symbol=symbol,
        client_id=client_id,
        side=Side(side),
        kind=Kind(kind),
        tif=Tif(tif),
        price=Decimal(price),
        qty=Decimal(qty),
        quote_qty=Decimal(quote_qty),
        stop_price=Decimal(stop),
        created_at=created,
        updated_at=updated,
        filled=Decimal(filled),
        quote_filled=Decimal(quote_filled),
        status=Status(status),
        locked=Decimal(locked),
        working_at=working,
        trail=trail,
        extreme=Decimal(extreme),
        list_id=list_id,
    )


def _list(row: tuple[Any, ...]) -> OrderList:
    list_id, account, symbol, client_id, at, done = row
    return OrderList(list_id, account, symbol, client_id, at, bool(done))


def _fill(row: tuple[Any, ...]) -> Fill:
    id_, order, symbol, side, price, qty, fee, asset, maker, at = row
    return Fill(id_, order, symbol, Side(side), Decimal(price), Decimal(qty), Decimal(fee), asset, bool(maker), at)
