"""Kraken spot: every refusal is a text in a 200, lists are of all pairs at once, and there is no test network."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import ccxt

from apps.exchanges.adapters import paging
from apps.exchanges.adapters.ccxt_venue import RECEIVE_MS, CcxtVenue, order_since
from apps.exchanges.adapters.failures import Dialect
from apps.exchanges.adapters.noting import Noting
from apps.exchanges.adapters.told import text
from tradebot.contracts.errors import VenueRejected
from tradebot.contracts.ports import Features, OrderRequest, VenueOrder
from tradebot.contracts.values import OrderType, Pair

PAGE = 50
NO_RIGHT = "EGeneral:Permission denied"


class KrakenClient(Dialect, Noting, ccxt.kraken):  # type: ignore[misc]
    """ccxt's Kraken. Nonces are microseconds: workers that share a key seldom overtake each other, and a nonce that
    came too late placed nothing and may be tried again."""

    has_test_network = False
    certain = re.compile(r"^(EOrder|EQuery):")
    doubtful = frozenset({"EOrder:Duplicate cl_ord_id", "EOrder:Internal error"})
    passing = frozenset({"EAPI:Invalid nonce", "EOrder:Rate limit exceeded", "EAPI:Rate limit exceeded"})

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.has["fetchCurrencies"] = False

    def nonce(self) -> int:
        return time.time_ns() // 1000

    def refusal(self) -> tuple[str, str]:
        told = self.told if isinstance(self.told, dict) else {}
        words = [str(word) for word in told.get("error") or ()]
        return (words[0], ", ".join(words)) if words else ("", "")


class KrakenVenue(CcxtVenue):
    """Client ids: `cl_ord_id`, unique among open orders only, looked up in the open and the closed list; ccxt's own
    look-up asks for another field. Fees are always asked for in the quote currency: ccxt takes them for that."""

    client_class: ClassVar[type[ccxt.Exchange]] = KrakenClient
    features = Features(trailing_stop=True)

    def may_withdraw(self) -> bool:
        """Asks for something that only such a key may ask for (with the right to query funds, which balances needs).
        Source: REST API, Get Withdrawal Methods."""
        try:
            self._read("private_post_withdrawmethods")
        except VenueRejected as error:
            if error.code == NO_RIGHT:
                return False
            raise
        return True

    def _placed(self, request: OrderRequest) -> VenueOrder:
        told = self._call("private_post_addorder", self._wire(request))
        return self._accepted(request, told["result"]["txid"][0])

    def _wire(self, request: OrderRequest) -> dict[str, str]:
        """Source: REST API, Add Order. `deadline`: the matching engine itself refuses what comes later."""
        sent_at = request.submitted_at or datetime.now(UTC)
        deadline = sent_at + timedelta(milliseconds=RECEIVE_MS)
        return {
            "pair": self._id(request.pair),
            "type": request.side.value,
            "volume": text(request.amount),
            "cl_ord_id": request.client_id,
            "oflags": "fciq",
            "deadline": deadline.strftime("%Y-%m-%dT%H:%M:%SZ"),
            **_kind(request),
        }

    def _lookup(self, pair: Pair, client_id: str) -> Any:
        query = {"clientOrderId": client_id, "trades": True}
        for method in ("fetch_open_orders", "fetch_closed_orders"):
            told = self._call(method, str(pair), None, None, query)
            mine = [order for order in told if order["clientOrderId"] == client_id]
            if mine:
                return max(mine, key=lambda order: order["timestamp"])
        return None

    def _cancel(self, pair: Pair, client_id: str) -> Any:
        """ccxt's own takes words of an earlier answer for this one's."""
        return self._call("private_post_cancelorder", {"cl_ord_id": client_id})

    def _with_fills(self, order: Any, pair: Pair) -> VenueOrder:
        named = [trade["id"] for trade in order["trades"]]
        order["trades"] = self._trades_named(pair, order["id"], named) if named else []
        return self._order_told(order, pair)

    def _open(self, pair: Pair) -> Sequence[Any]:
        return [_bare(order) for order in self._read("fetch_open_orders", str(pair))]

    def _listed(self, pair: Pair, since: datetime) -> Sequence[Any]:
        closed = self._all("private_post_closedorders", "closed", since)
        parsed = [self.client.parse_order({"id": name, **row}) for name, row in closed.items()]
        ended = [_bare(order) for order in parsed if order["symbol"] == str(pair)]
        return [order for order in (*self._open(pair), *ended) if order_since(order, since)]

    def _trades(self, pair: Pair, since: datetime) -> Sequence[Any]:
        return self._of_pair(pair, self._all("private_post_tradeshistory", "trades", since))

    def _trades_of(self, pair: Pair, venue_order_id: str) -> Sequence[Any]:
        told = self._read("private_post_queryorders", {"txid": venue_order_id, "trades": True})
        names = self._reading(lambda: told["result"][venue_order_id].get("trades") or [])
        return self._trades_named(pair, venue_order_id, names) if names else []

    def _trades_named(self, pair: Pair, venue_order_id: str, names: Sequence[str]) -> Sequence[Any]:
        batches = [names[at : at + 20] for at in range(0, len(names), 20)]
        told = [self._read("private_post_querytrades", {"txid": ",".join(batch)})["result"] for batch in batches]
        return self._of_pair(pair, {name: row for part in told for name, row in part.items()})

    def _of_pair(self, pair: Pair, rows: dict[str, Any]) -> list[Any]:
        trades = [self.client.parse_trade({**row, "id": name}) for name, row in rows.items()]
        return [trade for trade in trades if trade["symbol"] == str(pair)]

    def _all(self, method: str, key: str, since: datetime) -> dict[str, Any]:
        """A list of the whole account since, all pages of it."""

        def ask(offset: int) -> dict[str, Any]:
            told = self._read(method, {"start": str(int(since.timestamp())), "ofs": str(offset)})
            return dict(self._reading(lambda: told["result"][key]))

        return paging.by_offset(ask, since, PAGE)

    def _type_told(self, order: Any) -> str:
        told = str((order["info"].get("descr") or {}).get("ordertype") or order["type"])
        return told if told in ("limit", "market") else told.removesuffix("-limit").replace("-", "_")


def _kind(request: OrderRequest) -> dict[str, str]:
    """The type, with the prices where Kraken wants them: of a stop the trigger first, then the limit."""
    if request.type is OrderType.TRAILING_STOP:
        return {"ordertype": "trailing-stop", "price": f"+{text(request.trail)}%", "trigger": "last"}
    prices = [text(price) for price in (request.stop_price, request.price) if price is not None]
    stem = {OrderType.STOP_LOSS: "stop-loss", OrderType.TAKE_PROFIT: "take-profit"}.get(request.type)
    kind = request.type.value if stem is None else stem + ("-limit" if request.price is not None else "")
    return {"ordertype": kind, **dict(zip(("price", "price2"), prices, strict=False))}


def _bare(order: Any) -> Any:
    """Without the names of its trades, which are no fills yet."""
    return {**order, "trades": []}
