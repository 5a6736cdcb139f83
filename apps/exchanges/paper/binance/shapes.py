"""Binance's JSON for orders, fills, balances and markets (docs: rest-api). Amounts are text of eight decimals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from apps.exchanges.paper.book import Book, Level
from apps.exchanges.paper.engine import FEE
from apps.exchanges.paper.filters import LARGEST_TRAIL, MULTIPLIER_DOWN, MULTIPLIER_UP, SMALLEST_TRAIL
from apps.exchanges.paper.ledger import Account, Holding
from apps.exchanges.paper.tape import Candle
from apps.exchanges.paper.trade import ZERO, Fill, Kind, Listing, Order, OrderList, Side

Json = dict[str, Any]

LIMITS = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
    {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200000},
    {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300000},
]


def num(number: Decimal) -> str:
    return f"{number:.8f}"


def ack(order: Order) -> Json:
    return {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": order.list_id or -1,
        "clientOrderId": order.client_id,
        "transactTime": order.updated_at,
    }


def result(order: Order) -> Json:
    return ack(order) | _state(order) | _stop(order) | {"workingTime": order.working_at or -1}


def full(order: Order, fills: Iterable[Fill]) -> Json:
    return result(order) | {"fills": [_fill(fill) for fill in fills]}


def canceled(order: Order, request_id: str) -> Json:
    """`clientOrderId` names the cancel request, `origClientOrderId` the order."""
    return (
        ack(order) | {"origClientOrderId": order.client_id, "clientOrderId": request_id} | _state(order) | _stop(order)
    )


def query(order: Order) -> Json:
    return _state(order) | {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": order.list_id or -1,
        "clientOrderId": order.client_id,
        "stopPrice": num(order.stop_price),
        "icebergQty": num(ZERO),
        **({"trailingDelta": order.trail} if order.trail else {}),
        "time": order.created_at,
        "updateTime": order.updated_at,
        "isWorking": order.working,
        "workingTime": order.working_at or -1,
    }


def order_list(orders: OrderList, legs: Iterable[Order]) -> Json:
    return {
        "orderListId": orders.id,
        "contingencyType": "OCO",
        "listStatusType": "ALL_DONE" if orders.done else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if orders.done else "EXECUTING",
        "listClientOrderId": orders.client_id,
        "transactionTime": orders.at,
        "symbol": orders.symbol,
        "orders": [{"symbol": leg.symbol, "orderId": leg.id, "clientOrderId": leg.client_id} for leg in legs],
    }


def trade(fill: Fill) -> Json:
    return {
        "symbol": fill.symbol,
        "id": fill.id,
        "orderId": fill.order,
        "orderListId": -1,
        "price": num(fill.price),
        "qty": num(fill.qty),
        "quoteQty": num(fill.quote_qty),
        "commission": num(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.at,
        "isBuyer": fill.side is Side.BUY,
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


def account(owner: Account, holdings: Mapping[str, Holding], now: int, *, omit_zero: bool) -> Json:
    rate = num(FEE)
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": rate, "taker": rate, "buyer": num(ZERO), "seller": num(ZERO)},
        "canTrade": True,
        "canWithdraw": owner.withdraw,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": now,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": num(held.free), "locked": num(held.locked)}
            for asset, held in holdings.items()
            if not omit_zero or held.free or held.locked
        ],
        "permissions": ["SPOT"],
        "uid": owner.id,
    }


def restrictions(owner: Account) -> Json:
    """What an API key may do (sapi/v1/account/apiRestrictions)."""
    return {
        "ipRestrict": False,
        "createTime": 0,
        "enableReading": True,
        "enableSpotAndMarginTrading": True,
        "enableWithdrawals": owner.withdraw,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": False,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enablePortfolioMarginTrading": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
    }


def exchange_info(listings: Iterable[Listing], now: int) -> Json:
    return {
        "timezone": "UTC",
        "serverTime": now,
        "rateLimits": LIMITS,
        "exchangeFilters": [],
        "symbols": [_symbol(listing) for listing in listings],
    }


def depth(book: Book, limit: int, update_id: int) -> Json:
    return {"lastUpdateId": update_id, "bids": _levels(book.bids, limit), "asks": _levels(book.asks, limit)}


def book_ticker(symbol: str, book: Book) -> Json:
    bid, ask = _best(book.bids), _best(book.asks)
    return {
        "symbol": symbol,
        "bidPrice": num(bid.price),
        "bidQty": num(bid.qty),
        "askPrice": num(ask.price),
        "askQty": num(ask.qty),
    }


def day_ticker(listing: Listing, book: Book, day: Candle, now: int) -> Json:
    change = day.close - day.open
    turnover = day.quote_volume + listing.day_turnover
    volume = day.volume + listing.day_turnover / day.close
    return book_ticker(listing.symbol, book) | {
        "priceChange": num(change),
        "priceChangePercent": f"{change * 100 / day.open:.3f}",
        "weightedAvgPrice": num(turnover / volume),
        "prevClosePrice": num(day.open),
        "lastPrice": num(day.close),
        "lastQty": num(ZERO),
        "openPrice": num(day.open),
        "highPrice": num(day.high),
        "lowPrice": num(day.low),
        "volume": num(volume),
        "quoteVolume": num(turnover),
        "openTime": day.at,
        "closeTime": now,
        "firstId": -1,
        "lastId": -1,
        "count": day.trades,
    }


def kline(candle: Candle, width: int) -> list[Any]:
    prices = [num(price) for price in (candle.open, candle.high, candle.low, candle.close, candle.volume)]
    closes = candle.at + width - 1
    return [candle.at, *prices, closes, num(candle.quote_volume), candle.trades, num(ZERO), num(ZERO), "0"]


def _state(order: Order) -> Json:
    return {
        "price": num(order.price),
        "origQty": num(order.qty),
        "executedQty": num(order.filled),
        "origQuoteOrderQty": num(order.quote_qty),
        "cummulativeQuoteQty": num(order.quote_filled),
        "status": order.status.upper(),
        "timeInForce": order.tif.upper(),
        "type": order.kind.upper(),
        "side": order.side.upper(),
        "selfTradePreventionMode": "NONE",
    }


def _stop(order: Order) -> Json:
    trailing = {"trailingDelta": order.trail, "trailingTime": order.created_at} if order.trail else {}
    return {"stopPrice": num(order.stop_price)} | trailing if order.kind.waits else {}


def _fill(fill: Fill) -> Json:
    return {
        "price": num(fill.price),
        "qty": num(fill.qty),
        "commission": num(fill.fee),
        "commissionAsset": fill.fee_asset,
        "tradeId": fill.id,
    }


def _levels(levels: tuple[Level, ...], limit: int) -> list[list[str]]:
    return [[num(level.price), num(level.qty)] for level in levels[:limit]]


def _best(levels: tuple[Level, ...]) -> Level:
    return levels[0] if levels else Level(ZERO, ZERO)


def _symbol(listing: Listing) -> Json:
    return {
        "symbol": listing.symbol,
        "status": "TRADING",
        "baseAsset": listing.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": [kind.upper() for kind in Kind],
        "icebergAllowed": False,
        "ocoAllowed": True,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(listing),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }


def _filters(listing: Listing) -> list[Json]:
    lot = {"minQty": num(listing.step), "maxQty": num(listing.max_qty), "stepSize": num(listing.step)}
    up, down = str(MULTIPLIER_UP), str(MULTIPLIER_DOWN)
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": num(listing.tick),
            "maxPrice": num(listing.max_price),
            "tickSize": num(listing.tick),
        },
        {"filterType": "LOT_SIZE", **lot},
        {"filterType": "MARKET_LOT_SIZE", "minQty": num(ZERO), "maxQty": num(listing.max_qty), "stepSize": num(ZERO)},
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": up,
            "bidMultiplierDown": down,
            "askMultiplierUp": up,
            "askMultiplierDown": down,
            "avgPriceMins": 0,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": num(listing.min_notional),
            "applyMinToMarket": True,
            "maxNotional": num(Decimal(9_000_000)),
            "applyMaxToMarket": False,
            "avgPriceMins": 0,
        },
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": SMALLEST_TRAIL,
            "maxTrailingAboveDelta": LARGEST_TRAIL,
            "minTrailingBelowDelta": SMALLEST_TRAIL,
            "maxTrailingBelowDelta": LARGEST_TRAIL,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": listing.max_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": listing.max_orders},
    ]
