"""OKX's JSON for orders, fills, balances and markets (docs-v5). All numbers are text, fees paid are negative."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

from apps.exchanges.paper.book import Book, Level
from apps.exchanges.paper.engine import FEE
from apps.exchanges.paper.ledger import Account, Holding
from apps.exchanges.paper.tape import Candle
from apps.exchanges.paper.trade import ZERO, Fill, Kind, Listing, Order, Side, Status, Tif

Json = dict[str, Any]
UNNAMED = "-"
"""Begins the ids of orders whose sender gave none: no OKX client id may hold it, and none is told."""

_STATES = {Status.NEW: "live", Status.EXPIRED: "canceled"}
_IMMEDIATE = {Tif.IOC: "ioc", Tif.FOK: "fok"}


def num(number: Decimal) -> str:
    return f"{number.normalize():f}" if number else "0"


def inst(listing: Listing) -> str:
    return f"{listing.base}-{listing.quote}"


def row(order: Order | None = None, *, code: str = "0", msg: str = "", algo: bool = False, client_id: str = "") -> Json:
    """How one row of a request went."""
    given = client_id if order is None else named(order)
    number = "" if order is None else str(order.id)
    told = {"sCode": code, "sMsg": msg, "tag": "", "ts": "" if order is None else str(order.updated_at)}
    if algo:
        return {"algoId": number, "algoClOrdId": given, "clOrdId": "", **told}
    return {"ordId": number, "clOrdId": given, **told}


def named(order: Order) -> str:
    """The client id its sender gave, or nothing."""
    return "" if order.client_id.startswith(UNNAMED) else order.client_id


def order(order: Order, listing: Listing, fills: Sequence[Fill], algo: Order | None = None) -> Json:
    """An order that reached the book; `algo`: the stop that it was before it fired."""
    last = fills[-1] if fills else None
    return {
        **_identity(order, listing),
        "ordId": str(order.id),
        "clOrdId": "" if algo else named(order),
        "algoId": str(algo.id) if algo else "",
        "algoClOrdId": named(algo) if algo else "",
        "px": num(order.price) if order.kind.priced else "",
        "ordType": _order_type(order),
        "accFillSz": num(order.filled),
        "avgPx": num(order.quote_filled / order.filled) if order.filled else "",
        "state": _STATES.get(order.status, str(order.status)),
        "fillPx": num(last.price) if last else "",
        "fillSz": num(last.qty) if last else "0",
        "fillTime": str(last.at) if last else "",
        "tradeId": str(last.id) if last else "",
        "fee": num(-sum((fill.fee for fill in fills), ZERO)),
        "feeCcy": listing.base if order.side is Side.BUY else listing.quote,
        "rebate": "0",
        "rebateCcy": listing.quote if order.side is Side.BUY else listing.base,
        "source": "7" if algo else "",
        "category": "normal",
        "pnl": "0",
        "attachAlgoOrds": [],
        "cancelSource": "1" if order.status is Status.CANCELED else "",
        "lever": "",
    }


def fill(fill: Fill, listing: Listing, client_id: str) -> Json:
    return {
        "instType": "SPOT",
        "instId": inst(listing),
        "tradeId": str(fill.id),
        "billId": str(fill.id),
        "ordId": str(fill.order),
        "clOrdId": client_id,
        "tag": "",
        "fillPx": num(fill.price),
        "fillSz": num(fill.qty),
        "side": str(fill.side),
        "posSide": "net",
        "execType": "M" if fill.maker else "T",
        "feeCcy": fill.fee_asset,
        "fee": num(-fill.fee),
        "ts": str(fill.at),
        "fillTime": str(fill.at),
    }


def balance(holdings: Mapping[str, Holding], prices: Mapping[str, Decimal], now: int) -> Json:
    """`prices`: of each asset in dollars, as far as known."""
    worth = {asset: (held.free + held.locked) * prices.get(asset, ZERO) for asset, held in holdings.items()}
    return {
        "uTime": str(now),
        "totalEq": num(sum(worth.values(), ZERO)),
        "isoEq": "",
        "adjEq": "",
        "ordFroz": "",
        "details": [_held(asset, held, worth[asset], now) for asset, held in holdings.items()],
    }


def config(owner: Account) -> Json:
    """What an account is, and what its key may do (`perm`)."""
    return {
        "uid": str(owner.id),
        "mainUid": str(owner.id),
        "acctLv": "1",
        "posMode": "net_mode",
        "autoLoan": False,
        "greeksType": "PA",
        "level": "Lv1",
        "label": "paper",
        "ip": "",
        "perm": "read_only,trade,withdraw" if owner.withdraw else "read_only,trade",
        "kycLv": "3",
        "type": "0",
    }


def trade_fee(now: int) -> Json:
    """Negative: what is paid."""
    rate = num(-FEE)
    return {"instType": "SPOT", "level": "Lv1", "maker": rate, "taker": rate, "category": "1", "ts": str(now)}


def currency(asset: str) -> Json:
    return {
        "ccy": asset,
        "name": asset,
        "chain": f"{asset}-Paper",
        "mainNet": True,
        "canDep": False,
        "canWd": False,
        "canInternal": False,
        "minWd": "0",
        "maxWd": "0",
        "minDep": "0",
        "minFee": "0",
        "maxFee": "0",
        "wdTickSz": "8",
    }


def instrument(listing: Listing, price: Decimal) -> Json:
    """OKX knows a smallest size where others know a smallest worth: it is the worth at this price. `maxMktSz` is in
    quote."""
    worth = (listing.min_notional / price / listing.step).to_integral_value(ROUND_CEILING) * listing.step
    most = num(listing.max_qty)
    return {
        "instType": "SPOT",
        "instId": inst(listing),
        "baseCcy": listing.base,
        "quoteCcy": listing.quote,
        "settleCcy": "",
        "tickSz": num(listing.tick),
        "lotSz": num(listing.step),
        "minSz": num(max(listing.step, worth)),
        "maxLmtSz": most,
        "maxMktSz": num(listing.max_qty * price),
        "maxStopSz": most,
        "maxTriggerSz": most,
        "lever": "",
        "state": "live",
        "listTime": "",
        "ruleType": "normal",
        **dict.fromkeys(
            ("uly", "instFamily", "ctVal", "ctMult", "ctValCcy", "ctType", "optType", "stk", "expTime"), ""
        ),
    }


def ticker(listing: Listing, book: Book, day: Candle, now: int) -> Json:
    bid, ask = _best(book.bids), _best(book.asks)
    return {
        "instType": "SPOT",
        "instId": inst(listing),
        "last": num(day.close),
        "lastSz": "0",
        "askPx": num(ask.price) if book.asks else "",
        "askSz": num(ask.qty),
        "bidPx": num(bid.price) if book.bids else "",
        "bidSz": num(bid.qty),
        "open24h": num(day.open),
        "high24h": num(day.high),
        "low24h": num(day.low),
        "vol24h": num((day.volume + listing.day_turnover / day.close).quantize(listing.step)),
        "volCcy24h": num(day.quote_volume + listing.day_turnover),
        "sodUtc0": num(day.open),
        "sodUtc8": num(day.open),
        "ts": str(now),
    }


def candle(told: Candle, *, ended: bool) -> list[str]:
    """Opening time, four prices, volume in base and twice in quote, and whether it is complete."""
    prices = [num(price) for price in (told.open, told.high, told.low, told.close)]
    quote = num(told.quote_volume)
    return [str(told.at), *prices, num(told.volume), quote, quote, "1" if ended else "0"]


def books(book: Book, depth: int, now: int) -> Json:
    return {"asks": _levels(book.asks[:depth]), "bids": _levels(book.bids[:depth]), "ts": str(now), "seqId": now}


def _identity(order: Order, listing: Listing) -> Json:
    return {
        "instType": "SPOT",
        "instId": inst(listing),
        "ccy": "",
        "tag": "",
        "tdMode": "cash",
        "posSide": "net",
        "side": str(order.side),
        "sz": num(order.quote_qty or order.qty),
        "tgtCcy": _target(order),
        "reduceOnly": "false",
        "cTime": str(order.created_at),
        "uTime": str(order.updated_at),
    }


def _target(order: Order) -> str:
    if order.kind.priced:
        return ""
    return "quote_ccy" if order.quote_qty else "base_ccy"


def _order_type(order: Order) -> str:
    if not order.kind.priced:
        return "market"
    return "post_only" if order.kind is Kind.LIMIT_MAKER else _IMMEDIATE.get(order.tif, "limit")


def _held(asset: str, held: Holding, worth: Decimal, now: int) -> Json:
    total = num(held.free + held.locked)
    return {
        "ccy": asset,
        "cashBal": total,
        "eq": total,
        "availBal": num(held.free),
        "availEq": num(held.free),
        "frozenBal": num(held.locked),
        "ordFrozen": num(held.locked),
        "eqUsd": num(worth),
        "uTime": str(now),
    }


def _levels(levels: Iterable[Level]) -> list[list[str]]:
    return [[num(level.price), num(level.qty), "0", "1"] for level in levels]


def _best(levels: tuple[Level, ...]) -> Level:
    return levels[0] if levels else Level(ZERO, ZERO)
