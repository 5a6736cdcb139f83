"""The independent judge: `python -m tests.chaos.judge EXPECTED.json`. It reads the product's tables and the exchange's
own ledger, imports nothing of the product, and prints every contradiction between them as JSON.

EXPECTED.json: {"database": url, "ledger": path, "poison": [root_id], "accounts": [{"credential", "api_key", "base",
"symbol", "price", "step", "least", "limit", "jump", "guards": ["stop" | "profit"], "roots": [root_id]}]}; numbers are
texts. `price`: the lowest that an order may be reckoned with; `jump`: how far prices moved, highest by lowest.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

Row = Mapping[str, Any]
ZERO = Decimal(0)
LOST, DOUBLED, UNPROTECTED, BROKEN = "lost", "doubled", "unprotected", "broken"
"""Broken: what is neither lost nor doubled, and still must not be: a limit passed, a reservation left, an alert."""

WORKING = {"RECEIVED", "ORDERED"}
IN_DOUBT = {"INTENT", "SUBMITTING", "UNKNOWN"}
AT_VENUE = {"OPEN", "PARTIALLY_FILLED"}
NEVER_THERE = {"REJECTED", "NOT_PLACED"}
OPEN = {"new", "partially_filled"}
SIDES = {
    "stop": {"stop_loss", "stop_loss_limit", "trailing_stop"},
    "profit": {"take_profit", "take_profit_limit"},
}
STOPS = SIDES["stop"] | SIDES["profit"]
RIGHTLY_DENIED = {
    *("nothing_held", "position_limit", "insufficient_balance", "below_min_amount", "below_min_notional"),
    *("bad_amount", "cooling_period"),
}
"""Codes with which a healthy product turns a command of these posts down."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One contradiction: what kind, what it is, and whose. `about` finds it again in tables and logs."""

    kind: str
    what: str
    credential: str
    about: str


@dataclass(frozen=True, slots=True)
class Account:
    """What both sides hold about one account. `expected`: its entry of EXPECTED.json."""

    expected: Row
    commands: tuple[Row, ...] = ()
    orders: tuple[Row, ...] = ()
    fills: tuple[Row, ...] = ()
    position: Decimal = ZERO
    ledger_orders: tuple[Row, ...] = ()
    ledger_fills: tuple[Row, ...] = ()
    alerts: tuple[Row, ...] = ()


@dataclass(slots=True)
class Verdict:
    """All findings, and what was looked at."""

    findings: list[Finding] = field(default_factory=list)
    commands: int = 0
    orders: int = 0
    stops: int = 0
    triggered: int = 0
    denied: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)


def judge(accounts: Iterable[Account], dead: Iterable[Row], poison: Iterable[str]) -> Verdict:
    """Every contradiction, account by account, and among the dead letters."""
    verdict = Verdict()
    denied: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    for account in accounts:
        verdict.findings += _about(account)
        verdict.commands += sum(row["leg"] != "protect" for row in account.commands)
        verdict.orders += len(account.ledger_orders)
        verdict.stops += sum(row["status"] in OPEN for row in account.ledger_orders)
        verdict.triggered += sum(_triggered(row) for row in account.ledger_orders)
        denied.update(row["code"] for row in account.commands if row["state"] == "DENIED")
        statuses.update(f"{row['leg']} {row['status']}" for row in account.orders)
    verdict.findings += _dead_letters(dead, set(poison))
    verdict.denied, verdict.statuses = dict(denied), dict(statuses)
    return verdict


def _about(account: Account) -> Iterator[Finding]:
    credential = str(account.expected["credential"])
    for check in (_commands, _orders, _once, _strangers, _fills, _position, _reservations, _stops, _limit, _alerts):
        for kind, what, about in check(account):
            yield Finding(kind, what, credential, about)


Found = Iterator[tuple[str, str, str]]


def _commands(account: Account) -> Found:
    """Every post led to exactly one command, and that is at its end for a good reason."""
    mine = [row for row in account.commands if row["leg"] != "protect"]
    seen = Counter(row["root_id"] for row in mine)
    for root in account.expected["roots"]:
        if not seen[root]:
            yield LOST, "a post that must trade led to no command", f"root {root}"
        if seen[root] > 1:
            yield DOUBLED, f"a post led to {seen[root]} commands", f"root {root}"
    for row in mine:
        if row["state"] in WORKING:
            yield LOST, f"a command stands at {row['state']}", f"command {row['id']}"
        if row["state"] == "DENIED" and row["code"] not in RIGHTLY_DENIED:
            yield LOST, f"a command was denied: {row['code']} {row['reason']}", f"command {row['id']}"


def _orders(account: Account) -> Found:
    """Exactly one order at the exchange for each that our rows place there, none for those they do not."""
    there = Counter(row["client_id"] for row in account.ledger_orders)
    status = {row["client_id"]: row["status"] for row in account.ledger_orders}
    for row in account.orders:
        count, name = there[row["client_id"]], f"order {row['id']} client {row['client_id']}"
        if row["status"] in IN_DOUBT:
            yield LOST, f"a {row['leg']} order is still {row['status']}", name
        elif row["status"] == "REJECTED" and row["leg"] != "protect" and not _overtaken(row, account):
            yield LOST, f"an {row['leg']} was sent and refused: {row['reason']}", name
        elif row["status"] in NEVER_THERE and count:
            yield DOUBLED, f"an order called {row['status']} is at the exchange {count} times", name
        elif row["status"] not in NEVER_THERE and not count:
            yield LOST, f"an order called {row['status']} is not at the exchange", name
        elif count > 1:
            yield DOUBLED, f"one order is at the exchange {count} times", name
        elif count and (row["status"] in AT_VENUE) != (status[row["client_id"]] in OPEN):
            yield LOST, f"{row['status']} here, {status[row['client_id']]} at the exchange", name


def _overtaken(order: Row, account: Account) -> bool:
    """Whether a refused sale was tried again, or a guard had sold its coins at that moment: both are right ends."""
    later = any(row["command_id"] == order["command_id"] and row["id"] != order["id"] for row in account.orders)
    return order["leg"] == "exit" and (later or any(_triggered(row) for row in account.ledger_orders))


def _triggered(row: Row) -> bool:
    return row["kind"] in STOPS and Decimal(row["filled"]) > 0


def _once(account: Account) -> Found:
    """No command had two orders that traded (guards may: they are put back and resized)."""
    traded = {row["client_id"] for row in account.ledger_orders if Decimal(row["filled"]) > 0}
    orders = [row for row in account.orders if row["leg"] != "protect" and row["client_id"] in traded]
    for command, count in Counter(str(row["command_id"]) for row in orders).items():
        if count > 1:
            yield DOUBLED, f"{count} orders of one command traded", f"command {command}"


def _strangers(account: Account) -> Found:
    known = {row["client_id"] for row in account.orders}
    for row in account.ledger_orders:
        if row["client_id"] not in known:
            yield DOUBLED, "an order at the exchange that no row of ours tells of", f"client {row['client_id']}"


def _fills(account: Account) -> Found:
    """The same executions on both sides, with the same numbers."""
    ours = {str(row["trade_id"]): row for row in account.fills}
    theirs = {str(row["id"]): row for row in account.ledger_fills}
    if len(ours) != len(account.fills):
        yield DOUBLED, "an execution was booked twice", f"{len(account.fills) - len(ours)} of them"
    for trade in theirs.keys() - ours.keys():
        yield LOST, "an execution was not booked", f"trade {trade}"
    for trade in ours.keys() - theirs.keys():
        yield DOUBLED, "an execution was booked that never was", f"trade {trade}"
    for trade in ours.keys() & theirs.keys():
        mine, real = ours[trade], theirs[trade]
        pairs = ((mine["amount"], real["qty"]), (mine["price"], real["price"]), (mine["fee"], real["fee"]))
        if any(Decimal(one) != Decimal(other) for one, other in pairs):
            yield BROKEN, "an execution has other numbers here", f"trade {trade}"


def _position(account: Account) -> Found:
    held = _held(account)
    if held != account.position:
        kind = LOST if account.position < held else DOUBLED
        yield (
            kind,
            f"the position is {account.position.normalize():f}, the fills add up to {held.normalize():f}",
            "position",
        )


def _held(account: Account) -> Decimal:
    return sum((_change(row, account.expected["base"]) for row in account.ledger_fills), ZERO)


def _change(fill: Row, base: str) -> Decimal:
    fee = Decimal(fill["fee"]) if fill["fee_asset"] == base else ZERO
    amount = Decimal(fill["qty"])
    return amount - fee if fill["side"] == "buy" else -amount - fee


def _reservations(account: Account) -> Found:
    """What is at its end reserves nothing."""
    for row in account.orders:
        open_ = row["status"] in IN_DOUBT | AT_VENUE
        if not open_ and (row["reserved_quote"] or row["reserved_base"]):
            yield BROKEN, f"a {row['status']} order still reserves money", f"order {row['id']}"


def _stops(account: Account) -> Found:
    """All that is held is guarded at the exchange on each side of the price that was asked for, as far as its filters
    allow; and nothing more is. What a guard has sold is no longer held. A profit that the exchange refused beside its
    stop may be watched by a guard instead: there a missed moment costs no more than the profit."""
    held, step = _held(account), Decimal(account.expected["step"])
    resting = [row for row in account.ledger_orders if row["status"] in OPEN and row["kind"] in STOPS]
    # A part of a step may stay behind with each guard, and what all of them left may be too little for an order.
    dust = max(step * max(1, len(resting)), Decimal(account.expected["least"]) / Decimal(account.expected["price"]))
    for side in account.expected["guards"]:
        covered = sum((_left(row) for row in resting if row["kind"] in SIDES[side]), ZERO)
        bare = held - covered - (_watched(account) if side == "profit" and resting else ZERO)
        if bare >= dust:
            yield UNPROTECTED, f"{bare.normalize():f} of {held.normalize():f} have no {side}", "position"
    if (over := _promised(resting) - held) > 0:
        yield BROKEN, f"guards cover {over.normalize():f} more than is held", "position"


def _watched(account: Account) -> Decimal:
    """What guards at work promise to sell at a profit themselves."""
    guards = (row for row in account.commands if row["leg"] == "protect" and row["state"] in WORKING and row["take"])
    return sum((row["amount"] for row in guards), ZERO)


def _left(row: Row) -> Decimal:
    return Decimal(row["qty"]) - Decimal(row["filled"])


def _promised(resting: Iterable[Row]) -> Decimal:
    """What these orders can sell: of the two in a list (OCO) only one ever does."""
    most: dict[str, Decimal] = {}
    for row in resting:
        name = f"list {row['list_id']}" if row["list_id"] else row["client_id"]
        most[name] = max(most.get(name, ZERO), _left(row))
    return sum(most.values(), ZERO)


def _limit(account: Account) -> Found:
    """The position limit held at every purchase, by the executions alone and in their order. A price that moves may
    be another one when the order fills than when it was decided."""
    limit = Decimal(account.expected["limit"]) * Decimal("1.02") * Decimal(account.expected["jump"])
    held, most = ZERO, ZERO
    for row in sorted(account.ledger_fills, key=lambda fill: fill["id"]):
        held += _change(row, account.expected["base"])
        if row["side"] == "buy":
            most = max(most, held * Decimal(row["price"]))
    if most > limit:
        yield BROKEN, f"{most:.2f} was held, the limit is {account.expected['limit']}", "position"


def _alerts(account: Account) -> Found:
    for row in account.alerts:
        yield BROKEN, f"a person was asked: {row['kind']} {row['message']}", f"alert {row['key']}"


def _dead_letters(dead: Iterable[Row], poison: set[str]) -> Iterator[Finding]:
    buried: set[str] = set()
    for row in dead:
        roots = set(row["root_ids"])
        buried |= roots
        if not roots <= poison:
            yield Finding(
                LOST, f"a dead letter that is no poison: {row['stage']} {row['reason'][:200]}", "", str(row["id"])
            )
    for root in poison - buried:
        yield Finding(BROKEN, "poison that reached no dead letter", "", f"root {root}")


# --- reading ---------------------------------------------------------------------------------------------------------

_TABLES = {
    "commands": "SELECT id, credential_id, leg, state, code, reason, root_id, amount,"
    " decision->'guard'->>'take' AS take FROM trading_command",
    "orders": "SELECT id, credential_id, command_id, client_id, leg, status, reason, reserved_quote, reserved_base"
    " FROM trading_order",
    "fills": "SELECT credential_id, trade_id, amount, price, fee FROM trading_fill",
    "alerts": "SELECT credential_id, kind, key, message FROM trading_alert",
}

_POSITIONS = "SELECT credential_id, coin, amount FROM trading_position"
_LEDGER = ("SELECT * FROM orders", "SELECT * FROM fills")


def read(expected: Row) -> tuple[list[Account], list[Row]]:
    """Every account with what both sides hold about it, and all dead letters."""
    with psycopg.connect(expected["database"], row_factory=dict_row) as product:
        tables = {name: _by(product.execute(query).fetchall(), "credential_id") for name, query in _TABLES.items()}
        positions = _by(
            product.execute("SELECT credential_id, coin, amount FROM trading_position").fetchall(), "credential_id"
        )
        dead = product.execute("SELECT id, stage, reason, root_ids FROM messaging_deadletter").fetchall()
    with closing(sqlite3.connect(f"file:{expected['ledger']}?mode=ro", uri=True)) as ledger:
        ledger.row_factory = sqlite3.Row
        ids = dict(ledger.execute("SELECT api_key, id FROM accounts").fetchall())
        orders, fills = (
            _by(map(dict, ledger.execute(f"SELECT * FROM {name}")), "account") for name in ("orders", "fills")
        )
    found = []
    for each in expected["accounts"]:
        key, number = str(each["credential"]), str(ids[each["api_key"]])
        held = sum((row["amount"] for row in positions[key] if row["coin"] == each["base"]), ZERO)
        mine = {name: tuple(rows[key]) for name, rows in tables.items()}
        theirs = {"ledger_orders": tuple(orders[number]), "ledger_fills": tuple(fills[number])}
        found.append(Account(each, position=held, **mine, **theirs))
    return found, list(dead)


def _by(rows: Iterable[Row], column: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[str(row[column])].append(row)
    return groups


def main() -> None:
    expected = json.loads(Path(sys.argv[1]).read_text())
    accounts, dead = read(expected)
    json.dump(asdict(judge(accounts, dead, expected["poison"])), sys.stdout)


if __name__ == "__main__":
    main()
