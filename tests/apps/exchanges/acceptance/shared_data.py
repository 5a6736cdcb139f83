"""Answers that others recorded (see ../shared/data/README.md), and what our adapters must read from them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from apps.exchanges.adapters.ccxt_venue import CcxtVenue
from tradebot.contracts.values import Pair

ROOT = Path(os.environ.get("TRADEBOT_SHARED_DATA") or Path(__file__).resolve().parents[5] / "shared" / "data")
WIRE = ROOT / "exchange" / "nautilus_trader"
BTC = Pair("BTC", "USDT")
LONG_AGO = datetime(2023, 1, 1, tzinfo=UTC)
_BINANCE = "binance/test_data/spot/http_json/"
_OKX, _BYBIT, _KRAKEN = "okx/test_data/", "bybit/test_data/", "kraken/test_data/"


@dataclass(frozen=True)
class Check:
    """`files`: recorded answers by route; `holds`: what the adapter has to make of them."""

    files: Mapping[str, str]
    holds: Callable[[CcxtVenue], bool]

    def answers(self) -> dict[str, Any]:
        return {route: json.loads((WIRE / name).read_text()) for route, name in self.files.items()}


def _best(venue: CcxtVenue, bid: str, ask: str) -> bool:
    book = venue.depth(BTC)
    return (book.bids[0].price, book.asks[0].price) == (Decimal(bid), Decimal(ask))


def _steps(venue: CcxtVenue, pair: Pair, tick: str, step: str) -> bool:
    market = venue.market(pair)
    return market is not None and (market.tick, market.step) == (Decimal(tick), Decimal(step))


def _fill(venue: CcxtVenue) -> tuple[str, Decimal, Decimal]:
    (fill,) = venue.fills_since(BTC, LONG_AGO)
    return fill.trade_id, fill.price, fill.fee


CHECKS: dict[tuple[str, str], Check] = {
    ("binance", "markets"): Check(
        {"GET /api/v3/exchangeInfo": "../binance_local_exchange/exchangeInfo.data.json"},
        lambda venue: len(venue.markets()) == 1695 and _steps(venue, BTC, "0.01", "0.00001"),
    ),
    ("binance", "ticker"): Check(
        {"GET /api/v3/ticker/24hr": _BINANCE + "ticker_24hr_response.json"},
        lambda venue: venue.ticker(BTC).last == Decimal("4.000002"),
    ),
    ("binance", "depth"): Check(
        {"GET /api/v3/depth": _BINANCE + "depth_response.json"}, lambda venue: _best(venue, "4", "4.000002")
    ),
    ("binance", "balances"): Check(
        {"GET /api/v3/account": _BINANCE + "account_response.json"},
        lambda venue: venue.balances()["BTC"].free == Decimal("4723846.89208129"),
    ),
    ("binance", "fees"): Check(
        {"GET /api/v3/account": _BINANCE + "account_response.json"},
        lambda venue: venue.fees(BTC).taker == Decimal("0.0015"),
    ),
    ("okx", "markets"): Check(
        {"GET /api/v5/public/instruments": _OKX + "http_get_instruments_spot.json"},
        lambda venue: _steps(venue, Pair("BTC", "USD"), "0.1", "0.00000001"),
    ),
    ("okx", "depth"): Check(
        {"GET /api/v5/market/books": _OKX + "http_get_order_book.json"},
        lambda venue: _best(venue, "41006.7", "41006.8"),
    ),
    ("okx", "balances"): Check(
        {"GET /api/v5/account/balance": _OKX + "http_get_account_balance.json"},
        lambda venue: venue.balances()["USDT"].free == Decimal("94.42612990333333"),
    ),
    ("okx", "fees"): Check(
        {"GET /api/v5/account/trade-fee": _OKX + "http_get_trade_fee_response.json"},
        lambda venue: venue.fees(BTC).maker == Decimal("0.0008"),
    ),
    ("bybit", "markets"): Check(
        {"GET /v5/market/instruments-info": _BYBIT + "http_get_instruments_spot.json"},
        lambda venue: _steps(venue, BTC, "0.1", "0.0001"),
    ),
    ("bybit", "depth"): Check(
        {"GET /v5/market/orderbook": _BYBIT + "http_get_orderbook.json"},
        lambda venue: _best(venue, "27450.5", "27451"),
    ),
    ("bybit", "fees"): Check(
        {"GET /v5/account/fee-rate": _BYBIT + "http_get_fee_rate.json"},
        lambda venue: venue.fees(BTC).taker == Decimal("0.0006"),
    ),
    ("bybit", "trade_only_key"): Check(
        {"GET /v5/user/query-api": _BYBIT + "http_get_user_query_api.json"}, lambda venue: not venue.may_withdraw()
    ),
    ("kraken", "markets"): Check(
        {"GET /0/public/AssetPairs": _KRAKEN + "http_asset_pairs.json"},
        lambda venue: _steps(venue, BTC, "0.1", "0.00000001"),
    ),
    ("kraken", "ticker"): Check(
        {"GET /0/public/Ticker": _KRAKEN + "http_ticker.json"},
        lambda venue: venue.ticker(BTC).bid == Decimal("105944.2"),
    ),
    ("kraken", "depth"): Check(
        {"GET /0/public/Depth": _KRAKEN + "http_order_book.json"},
        lambda venue: venue.depth(BTC).asks[0].price == Decimal("105944.3"),
    ),
    ("kraken", "open_orders"): Check(
        {"POST /0/private/OpenOrders": _KRAKEN + "http_open_orders.json"},
        lambda venue: [order.venue_order_id for order in venue.open_orders(BTC)] == ["O26VBY-ISGAE-JP5TLU"],
    ),
    ("kraken", "fills_since"): Check(
        {"POST /0/private/TradesHistory": _KRAKEN + "http_trades_history.json"},
        lambda venue: _fill(venue) == ("TCCCTY-WJ6EO-4FP4VZ", Decimal("29500.5"), Decimal("23.6")),
    ),
}
