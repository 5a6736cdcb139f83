"""A trader whose commands come over the wire, through the stage's own harness, to an account at the paper exchange."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import requests

from apps.accounts import services as accounts
from apps.accounts.models import Credential, User
from apps.exchanges.models import Venue
from apps.trading.models import Command, Order
from tests.apps.exchanges.paper_process import PaperProcess
from tests.apps.trading.conftest import HandClock
from workers import execute, topology
from workers.stage import Delivery, Harness

SPEC = topology.STAGES["execute"]
ORDERS = "/api/v3/order"
_numbers = itertools.count(1)
"""Budgets, breakers and markets belong to a venue: each desk has one of its own."""


@dataclass
class Desk:
    """One account. `tried_again` and `buried`: what the harness sent back to the broker."""

    paper: PaperProcess
    clock: HandClock
    user: User
    keys: tuple[str, str]
    venue: str
    credential: Credential
    tried_again: list[str] = field(default_factory=list)
    buried: list[str] = field(default_factory=list)
    bought: list[Order] = field(default_factory=list)

    # --- commands ---

    def wire(self, **changes: Any) -> dict[str, Any]:
        """A command as it stands in a message: a good one, but for `changes`."""
        now = self.clock()
        good = {
            "id": str(uuid4()), "root_id": "root-1", "seen_at": now.isoformat(), "user_id": str(self.user.pk),
            "action": "buy", "pair": "BTC/USDT", "amount_type": "percentage", "amount": "30", "leg": "entry",
            "signal_id": str(uuid4()), "strategy_id": str(uuid4()), "credential_id": str(self.credential.pk),
            "expires_at": (now + timedelta(minutes=5)).isoformat(), "exchange": self.venue, "conditions": [],
        }  # fmt: skip
        return good | changes

    def deliver(self, item: dict[str, Any], *, redelivered: bool = False) -> Command | None:
        """Let the stage handle it, as a worker does; the row that came of it."""
        Harness(SPEC, execute.execute).receive([item], Delivery(0, redelivered))
        return Command.objects.filter(signal_id=item["signal_id"]).first()

    def send(self, parcels: list[Any]) -> None:
        """What the harness has for the broker, instead of sending it."""
        for parcel in parcels:
            reason = str(parcel.headers.get("tradebot_reason", ""))
            (self.buried if parcel.exchange == topology.DEAD_LETTERS else self.tried_again).append(reason)

    def hold(self) -> None:
        """Buy some BTC first; its orders do not count."""
        self.deliver(self.wire())
        self.bought = list(Order.objects.filter(credential=self.credential))
        assert [order.status for order in self.bought] == ["FILLED"]

    def later(self) -> None:
        """Everything that happens by itself in the next minutes."""
        for _ in range(4):
            self.clock.forward(40)
            execute.reconcile_all(self.clock())

    def expire(self, item: dict[str, Any]) -> None:
        """Its retry, and what happens once its signal is over."""
        self.deliver(item)
        self.clock.forward(400)
        execute.reconcile_all(self.clock())

    def leave(self) -> None:
        """Hand the exchange over as it was."""
        self.paper.operator("DELETE", "faults", {}).raise_for_status()
        self.paper.operator("POST", "clock", {"now": int(time.time() * 1000)}).raise_for_status()
        self.book()

    # --- the exchange ---

    def watch(self) -> None:
        """From now on every request that could place an order is counted."""
        self.paper.fault("delay", method="POST", path=f"{ORDERS}*", account=self.keys[0], times=0)

    def posts(self) -> int:
        """How many requests that could place an order reached the exchange, whatever it answered."""
        struck = self.paper.operator("GET", "faults").json()["struck"]
        mine = [one for one in struck if one["account"] == self.keys[0] and one["method"] == "POST"]
        return sum(one["path"].startswith(ORDERS) for one in mine)

    def answer(self, method: str, path: str, body: Any, status: int = 200) -> None:
        """What the exchange says to such a request of this account (to everybody's, where it needs no key)."""
        account = {} if path in {"/api/v3/exchangeInfo", "/api/v3/ticker/24hr"} else {"account": self.keys[0]}
        self.paper.fault("answer", method=method, path=path, status=status, body=body, times=0, **account)

    def public(self, path: str) -> Any:
        return requests.get(f"{self.paper.url}{path}", timeout=10).json()

    def book(self, **sides: Any) -> None:
        assert self.paper.operator("POST", "book", {"pair": "BTC/USDT", **sides}).status_code == 200

    def clock_off(self, seconds: float) -> None:
        """Set the exchange's clock so many seconds ahead of ours."""
        self.paper.operator("POST", "clock", {"advance_ms": int(seconds * 1000)}).raise_for_status()

    def placed(self) -> list[dict[str, Any]]:
        """The orders of this account in the exchange's own ledger, without those of `hold`."""
        ledger = self.paper.operator("GET", "ledger").json()
        (account,) = [one["id"] for one in ledger["accounts"] if one["api_key"] == self.keys[0]]
        known = {order.client_id for order in self.bought}
        return [row for row in ledger["orders"] if row["account"] == account and row["client_id"] not in known]

    def reserved(self) -> Decimal:
        orders = Order.objects.filter(credential=self.credential)
        return sum((order.reserved_quote + order.reserved_base for order in orders), Decimal(0))

    def replace_keys(self, **keys: Any) -> None:
        """Another secret, or other rights, of the account that this desk trades on; checked by nobody yet."""
        api_key, secret = keys.get("api_key", self.keys[0]), keys.get("secret", self.keys[1])
        accounts.replace_keys(credential_id=self.credential.pk, api_key=api_key, secret=secret)
        execute.forget_lines()


def open_desk(paper: PaperProcess, *, withdraw: bool = False) -> Desk:
    """A user with 10000 USDT at a venue of their own, its key accepted."""
    number = next(_numbers)
    venue = f"bad-input-{number}"
    Venue.objects.create(name=venue, dialect="binance", base_url=paper.url, sandbox=True)
    keys = paper.account({"USDT": "10000"}, withdraw=withdraw)
    user = accounts.create_user(name=f"trader-{number}")
    credential = accounts.save_credential(user=user, venue=venue, api_key=keys[0], secret=keys[1])
    accounts.mark_credential(credential_id=credential.pk, active=True)
    return Desk(paper, HandClock(), user, keys, venue, credential)
