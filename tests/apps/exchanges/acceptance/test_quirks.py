"""What single venues do their own way, beyond the cases that all share."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from apps.exchanges.adapters import connect, shared
from apps.exchanges.selectors import VenueInfo
from tests.apps.exchanges.acceptance.cases import BTC, MARKET_BUY, STOP, TARGET, TRAILING, A, C
from tests.apps.exchanges.acceptance.replay import Replay, Turns
from tests.apps.exchanges.acceptance.worlds import PASSPHRASE, SECRET, SECRETS, World, recorded
from tradebot.contracts.errors import NotConfigured, VenueRejected, VenueUnavailable, VenueUnknown
from tradebot.contracts.values import Action

MARKETS = 1695
ACCOUNTS = 100
MOST_BYTES = 6_000_000


@pytest.fixture
def replay() -> Iterator[Replay]:
    with Replay().running() as running:
        yield running


@pytest.fixture(autouse=True)
def _venues_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_known", {})


def sent(world: World, path: str) -> dict[str, Any]:
    (found,) = [sent for sent in world.wire if sent.method == "POST" and path in sent.url]
    return found.fields()


def test_okx_key_without_its_passphrase_is_refused_in_words() -> None:
    with pytest.raises(VenueRejected, match="passphrase"):
        connect(VenueInfo("okx", "okx"), "some-key", "some-secret")
    assert connect(VenueInfo("okx", "okx"), "", "").client.password is None


def test_okx_says_the_passphrase_and_that_it_is_a_simulation(replay: Replay) -> None:
    world = recorded("okx", replay)
    world.venue.balances()
    assert world.wire[-1].headers["OK-ACCESS-PASSPHRASE"] == PASSPHRASE
    testing = connect(VenueInfo("okx-test", "okx", sandbox=True), "", "")
    assert testing.client.headers["x-simulated-trading"] == "1"


def test_okx_stop_is_no_margin_order_and_has_its_id_where_it_is_looked_up(replay: Replay) -> None:
    world = recorded("okx", replay)
    world.play("stop_loss")
    world.venue.place(STOP)
    body = sent(world, "order-algo")
    assert (body["tdMode"], body["algoClOrdId"], body["slOrdPx"], body["ordType"]) == ("cash", C, "-1", "conditional")


def test_okx_trailing_stop_is_a_ratio(replay: Replay) -> None:
    world = recorded("okx", replay)
    world.play("trailing_stop")
    world.venue.place(replace(TRAILING, stop_price=Decimal(31000)))
    body = sent(world, "order-algo")
    assert (body["ordType"], body["callbackRatio"], body["activePx"]) == ("move_order_stop", "0.025", "31000")


def test_okx_stop_that_fired_is_the_order_it_became(replay: Replay) -> None:
    world = recorded("okx", replay)
    world.play("find")
    filled = replay.routes["GET /api/v5/trade/order"]
    world.play("stop_loss")
    stop = replay.routes["GET /api/v5/trade/order-algo"]["data"][0]
    missing = replay.routes["GET /api/v5/trade/order"]
    replay.play(
        {
            "GET /api/v5/trade/order-algo": {"code": "0", "data": [{**stop, "state": "effective", "ordId": "201"}]},
            "GET /api/v5/trade/order": Turns([missing, filled]),
        }
    )
    found = world.venue.find(BTC, C)
    assert found is not None
    assert (found.client_id, found.venue_order_id, found.status) == (C, "201", "filled")
    assert sum(fill.amount for fill in found.fills) == found.filled


@pytest.mark.parametrize(
    ("code", "kind"), [("50004", VenueUnknown), ("50061", VenueUnavailable), ("51020", VenueRejected)]
)
def test_okx_refusals_inside_of_a_200(replay: Replay, code: str, kind: type[Exception]) -> None:
    world = recorded("okx", replay)
    row = {"clOrdId": A, "ordId": "", "sCode": code, "sMsg": "as the test wants it"}
    replay.play({"POST /api/v5/trade/order": {"code": "1", "msg": "", "data": [row]}})
    with pytest.raises(kind, match="as the test wants it"):
        world.venue.place(MARKET_BUY)


def test_okx_refusal_under_a_code_that_says_success_is_a_refusal(replay: Replay) -> None:
    world = recorded("okx", replay)
    row = {"algoId": "", "algoClOrdId": C, "sCode": "51000", "sMsg": "Parameter slTriggerPx error"}
    replay.play({"POST /api/v5/trade/order-algo": {"code": "0", "msg": "", "data": [row]}})
    with pytest.raises(VenueRejected, match="slTriggerPx"):
        world.venue.place(STOP)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (170007, VenueUnknown),
        (170146, VenueUnknown),
        (10006, VenueUnavailable),
        (170140, VenueRejected),
        (99, VenueUnknown),
    ],
)
def test_bybit_refusals_inside_of_a_200(replay: Replay, code: int, kind: type[Exception]) -> None:
    world = recorded("bybit", replay)
    replay.play({"POST /v5/order/create": {"retCode": code, "retMsg": "as the test wants it", "result": {}}})
    with pytest.raises(kind, match="as the test wants it"):
        world.venue.place(MARKET_BUY)


def test_bybit_market_purchase_is_in_base_and_a_stop_locks_its_coins(replay: Replay) -> None:
    world = recorded("bybit", replay)
    world.play("market_order")
    world.venue.place(MARKET_BUY)
    assert sent(world, "order/create")["marketUnit"] == "baseCoin"
    world.wire.clear()
    world.play("stop_loss")
    world.venue.place(STOP)
    assert sent(world, "order/create")["orderFilter"] == "tpslOrder"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("EOrder:Order minimum not met", VenueRejected),
        ("EService:Unavailable", VenueUnknown),
        ("EGeneral:Internal error", VenueUnknown),
        ("EAPI:Rate limit exceeded", VenueUnavailable),
        ("EWeird:Something new", VenueUnknown),
    ],
)
def test_kraken_refusals_inside_of_a_200(replay: Replay, words: str, kind: type[Exception]) -> None:
    world = recorded("kraken", replay)
    replay.play({"POST /0/private/AddOrder": {"error": [words]}})
    with pytest.raises(kind):
        world.venue.place(MARKET_BUY)


def test_kraken_order_asks_for_its_fee_in_quote_and_a_trailing_stop_is_a_percentage(replay: Replay) -> None:
    world = recorded("kraken", replay)
    world.play("trailing_stop")
    world.venue.place(TRAILING)
    body = sent(world, "AddOrder")
    assert (body["ordertype"], body["price"], body["oflags"]) == ("trailing-stop", "+2.5%", "fciq")


def test_kraken_stop_with_a_limit_has_the_trigger_first(replay: Replay) -> None:
    world = recorded("kraken", replay)
    world.play("stop_loss")
    world.venue.place(replace(STOP, price=Decimal(28500)))
    body = sent(world, "AddOrder")
    assert (body["ordertype"], body["price"], body["price2"]) == ("stop-loss-limit", "29000", "28500")


@pytest.mark.parametrize(
    ("request_", "limit", "way"),
    [
        (STOP, "27550", "STOP_DIRECTION_STOP_DOWN"),
        (replace(STOP, side=Action.BUY), "30450", "STOP_DIRECTION_STOP_UP"),
        (TARGET, "29450", "STOP_DIRECTION_STOP_UP"),
        (replace(STOP, price=Decimal(28500)), "28500", "STOP_DIRECTION_STOP_DOWN"),
    ],
)
def test_coinbase_stop_has_a_limit_a_little_beyond_its_trigger(
    replay: Replay, request_: Any, limit: str, way: str
) -> None:
    world = recorded("coinbase", replay)
    world.play("stop_loss")
    world.venue.place(request_)
    terms = sent(world, "brokerage/orders")["order_configuration"]["stop_limit_stop_limit_gtc"]
    assert (Decimal(terms["limit_price"]), terms["stop_direction"]) == (Decimal(limit), way)


@pytest.mark.parametrize("name", ["kraken", "coinbase"])
def test_no_test_network_is_said_in_words(name: str, replay: Replay) -> None:
    with pytest.raises(NotConfigured, match="no test network"):
        connect(VenueInfo(name, name, sandbox=True), "", "")
    local = VenueInfo(name, name, replay.url, sandbox=True)
    assert connect(local, "key", SECRETS.get(name, SECRET)).name == name


@pytest.mark.parametrize(("name", "host"), [("binance", "testnet.binance.vision"), ("bybit", "api-testnet.")])
def test_sandbox_is_the_test_network(name: str, host: str) -> None:
    addresses = connect(VenueInfo(f"{name}-test", name, sandbox=True), "", "").client.urls["api"]
    assert host in str(addresses["private"])


def test_a_hundred_accounts_share_one_reading_of_the_markets(replay: Replay) -> None:
    recorded("binance", replay)
    replay.routes["GET /api/v3/exchangeInfo"] = _many(replay.routes["GET /api/v3/exchangeInfo"])
    info = VenueInfo("binance-many", "binance", replay.url)
    first = connect(info, "key-0000", SECRET)
    assert len(first.markets()) == MARKETS
    replay.asked.clear()
    tracemalloc.start()
    try:
        accounts = [connect(info, f"key-{number:04}", SECRET) for number in range(ACCOUNTS)]
        assert all(account.balances() for account in accounts)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < MOST_BYTES
    assert replay.asked == ["GET /api/v3/account"] * ACCOUNTS
    assert all(account.client.markets is first.client.markets for account in accounts)


def _many(listing: dict[str, Any]) -> dict[str, Any]:
    (symbol,) = listing["symbols"]
    more = [{**symbol, "symbol": f"C{number}USDT", "baseAsset": f"C{number}"} for number in range(MARKETS - 1)]
    return dict(json.loads(json.dumps({**listing, "symbols": [symbol, *more]})))
