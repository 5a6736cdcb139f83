"""The places where a case is played: recorded answers of each venue, and the paper exchange."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from apps.exchanges.adapters import connect
from apps.exchanges.adapters.ccxt_venue import CcxtVenue
from apps.exchanges.paper.okx.auth import passphrase
from apps.exchanges.selectors import VenueInfo
from tests.apps.exchanges.acceptance.replay import Replay, Turns
from tests.apps.exchanges.paper_process import PaperProcess
from tradebot.contracts.ports import Balance
from tradebot.contracts.values import Pair

RECORDINGS = Path(__file__).parent / "recordings"
OWN, PAPER = "own recording", "paper exchange"
VENUES = ("binance", "okx", "bybit", "kraken", "coinbase")
PAPER_DIALECTS = ("binance", "okx")
SECRETS = {"kraken": base64.b64encode(b"an obvious test secret").decode()}
_numbers = itertools.count(1)
"""A venue's budget and breaker are shared by all that know its name: what one case does must not stop the next."""
ROOM_FOR_ALL_CASES = 1_000_000
"""The paper exchange tells every case what all cases of this minute used together."""
_PAPER_FAULTS: dict[str | int, dict[str, Any]] = {
    "hang": {"kind": "delay", "answer_ms": 1_000},
    "cut": {"kind": "drop_after"},
    200: {"kind": "answer", "status": 200, "body": {}},
    429: {"kind": "rate_limit", "retry_after": 7},
    **{status: {"kind": "error_after", "status": status} for status in (500, 502, 503, 504)},
}
SECRET, PASSPHRASE = "an-obvious-test-secret", "an-obvious-test-phrase"


@dataclass
class World:
    """An adapter, and where its exchange is played. `wire`: what left for the exchange, in order."""

    venue: CcxtVenue
    source: str
    balances: Mapping[str, Balance]
    replay: Replay | None = None
    paper: PaperProcess | None = None
    wire: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        fetch = self.venue.client.fetch

        def noting(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            self.wire.append(Sent(method, url, dict(headers or {}), body or ""))
            return fetch(url, method, headers, body)

        self.venue.client.fetch = noting

    @property
    def name(self) -> str:
        return str(self.venue.client.id)

    @property
    def recorded(self) -> bool:
        return self.replay is not None

    def play(self, case: str) -> None:
        """Have the recording of this case answered; a real exchange needs none."""
        if self.replay is not None:
            self.replay.play(_turns(_recording(self.name)["cases"][case]))

    def fail(self, fault: str | int) -> None:
        """Let what the next order asks for go wrong: "hang" (no answer in time), "cut", or that HTTP status."""
        self.venue.market(Pair("BTC", "USDT"))
        self.venue.client.timeout = 300 if fault == "hang" else 5_000
        if self.replay is not None:
            self.replay.fault = fault
        if self.paper is not None:
            where = {"method": "POST", "account": self.venue.client.apiKey}
            self.paper.operator("POST", "faults", {**_PAPER_FAULTS.get(fault, {}), **where}).raise_for_status()

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self.venue.client.timeout = 5_000
        if self.replay is not None:
            self.replay.fault = None

    def order_sent(self) -> Order:
        """The one order that left, in our words."""
        posts = [sent for sent in self.wire if sent.method == "POST" and not sent.is_read()]
        assert len(posts) == 1, [sent.url for sent in posts]
        return _READ[self.name](posts[0])

    def nothing_sent(self) -> bool:
        return not any(sent.method == "POST" for sent in self.wire)


@dataclass(frozen=True)
class Sent:
    method: str
    url: str
    headers: Mapping[str, str]
    body: str

    def is_read(self) -> bool:
        """Kraken asks by POST, too."""
        return "/0/private/" in self.url and "AddOrder" not in self.url

    def fields(self) -> dict[str, Any]:
        return dict(json.loads(self.body)) if self.body.startswith("{") else dict(parse_qsl(self.body))


@dataclass(frozen=True)
class Order:
    """What an order says on the wire, as text, None where it says nothing."""

    client_id: str | None
    amount: str | None
    price: str | None
    stop_price: str | None
    moment: str | None


def recorded(name: str, replay: Replay) -> World:
    """The adapter of a venue on its own recording."""
    replay.play(_recording(name)["always"])
    balances = {"BTC": Balance(Decimal("1.25"), Decimal(0)), "USDT": Balance(Decimal("1000.5"), Decimal(50))}
    info = VenueInfo(f"{name}-recorded", name, replay.url)
    return World(connect(info, "an-obvious-test-key", SECRETS.get(name, SECRET), PASSPHRASE), OWN, balances, replay)


def on_paper(name: str, paper: PaperProcess, **more: Any) -> World:
    """The adapter of a venue on the paper exchange that speaks its dialect; `more` of a new account of its own."""
    key, secret = paper.account({"USDT": "100000", "BTC": "2"}, **more)
    balances = {"BTC": Balance(Decimal(2), Decimal(0)), "USDT": Balance(Decimal(100_000), Decimal(0))}
    info = VenueInfo(f"paper-{next(_numbers)}", name, paper.url, request_limit=ROOM_FOR_ALL_CASES)
    return World(connect(info, key, secret, passphrase(secret)), PAPER, balances, paper=paper)


def _recording(name: str) -> dict[str, Any]:
    return dict(json.loads((RECORDINGS / f"{name}.json").read_text()))


def _turns(routes: dict[str, Any]) -> dict[str, Any]:
    """A route that ends with ` ...` is answered one by one."""
    return {
        route.removesuffix(" ..."): Turns(told) if route.endswith(" ...") else told for route, told in routes.items()
    }


def _binance(sent: Sent) -> Order:
    told = sent.fields()
    return Order(
        told.get("newClientOrderId"), told.get("quantity"), told.get("price"), told.get("stopPrice"), told["timestamp"]
    )


def _okx(sent: Sent) -> Order:
    told = sent.fields()
    stop = told.get("slTriggerPx") or told.get("tpTriggerPx")
    return Order(
        told.get("algoClOrdId") or told.get("clOrdId"),
        told.get("sz"),
        told.get("px"),
        stop,
        sent.headers.get("expTime"),
    )


def _bybit(sent: Sent) -> Order:
    told = sent.fields()
    moment = sent.headers["X-BAPI-TIMESTAMP"]
    return Order(told.get("orderLinkId"), told.get("qty"), told.get("price"), told.get("triggerPrice"), moment)


def _kraken(sent: Sent) -> Order:
    told = sent.fields()
    stop = told.get("ordertype") not in ("limit", "market")
    price = told.get("price")
    return Order(
        told.get("cl_ord_id"),
        told.get("volume"),
        told.get("price2") if stop else price,
        price if stop else None,
        told.get("deadline"),
    )


def _coinbase(sent: Sent) -> Order:
    told = sent.fields()
    (terms,) = told["order_configuration"].values()
    return Order(
        told.get("client_order_id"), terms.get("base_size"), terms.get("limit_price"), terms.get("stop_price"), None
    )


_READ: dict[str, Callable[[Sent], Order]] = {
    "binance": _binance,
    "okx": _okx,
    "bybit": _bybit,
    "kraken": _kraken,
    "coinbase": _coinbase,
}
