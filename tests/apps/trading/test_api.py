"""The REST face of trading: one's own orders, positions, receipts and limits, nobody else's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from apps.trading import selectors
from apps.trading.models import Order
from tests.apps.trading.conftest import Trader, make_trader

ORDER_FIELDS = {
    "id", "signal_id", "strategy_id", "pair", "side", "type", "amount", "price", "status", "filled", "fee", "exchange",
    "created_at",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _memory_cache(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


@pytest.fixture
def api(trader: Trader) -> APIClient:
    client = APIClient()
    client.force_authenticate(trader.user)
    return client


def test_orders_are_listed_newest_first_with_what_they_are(trader: Trader, api: APIClient) -> None:
    trader.buy(10)
    trader.clock.forward(5)
    newest = trader.buy(10)
    body = api.get("/api/v1/orders").json()
    assert body["next"] is None
    assert len(body["results"]) == 2
    first = body["results"][0]
    assert first["id"] == str(newest.order_id)
    assert set(first) >= ORDER_FIELDS
    assert (first["status"], first["side"], first["type"], first["price"]) == ("FILLED", "buy", "market", None)
    assert first["amount"] == first["filled"] == "0.03"


@pytest.mark.parametrize(("query", "count"), [("status=filled", 1), ("status=OPEN", 1), ("pair=btc/usdt", 2),
                                              ("pair=ETH/USDT", 0)])  # fmt: skip
def test_orders_can_be_filtered(trader: Trader, api: APIClient, query: str, count: int) -> None:
    trader.buy(10)
    trader.buy(10, conditions={"order_type": "limit", "limit_price": 20000})
    assert len(api.get(f"/api/v1/orders?{query}").json()["results"]) == count


@pytest.mark.parametrize(("query", "field"), [("status=lost", "status"), ("pair=BTCUSDT", "pair")])
def test_a_wrong_filter_is_named(api: APIClient, query: str, field: str) -> None:
    answer = api.get(f"/api/v1/orders?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


def test_another_users_order_is_not_found(trader: Trader, api: APIClient) -> None:
    other = make_trader("other")
    theirs = other.buy(10).order_id
    assert api.get("/api/v1/orders").json()["results"] == []
    assert api.get(f"/api/v1/orders/{theirs}").status_code == 404
    assert api.get(f"/api/v1/orders/{theirs}/receipt").status_code == 404


def test_the_receipt_tells_why_and_what_became_of_it(trader: Trader, api: APIClient) -> None:
    command = trader.command()
    order = trader.execute(command).order_id
    receipt = api.get(f"/api/v1/orders/{order}/receipt").json()
    assert receipt["signal_id"] == command.signal_id
    assert receipt["strategy_id"] == command.strategy_id
    assert receipt["order"]["id"] == str(order)
    assert {key: receipt["decision"]["checks"][0][key] for key in ("name", "ok")} == {"name": "stale", "ok": True}
    assert receipt["fills"][0]["amount"] == "0.1"
    assert receipt["reports"][0]["kind"] == "FILLED"
    assert set(receipt["times"]) == {"seen_at", "received_at", "decided_at", "submitted_at", "acked_at"}


def test_positions_show_what_is_held(trader: Trader, api: APIClient) -> None:
    trader.buy(30)
    (position,) = api.get("/api/v1/positions").json()["results"]
    assert (position["coin"], position["amount"], position["cost"]) == ("BTC", "0.1", "3000")
    trader.execute(trader.sell(100))
    assert api.get("/api/v1/positions").json()["results"] == []


def test_a_policy_is_read_changed_and_obeyed(trader: Trader, api: APIClient) -> None:
    assert api.get("/api/v1/risk-policy").json() == {
        "max_daily_loss": None,
        "position_limit": None,
        "cooling_period": 0,
        "max_order_rate": None,
        "max_depth_share": None,
        "max_price_move": None,
        "blacklist": [],
        "kill_switch": "active",
    }
    changed = api.patch("/api/v1/risk-policy", {"blacklist": ["btc"], "max_daily_loss": "12.50"}, format="json")
    assert changed.status_code == 200
    assert (changed.json()["blacklist"], changed.json()["max_daily_loss"]) == (["BTC"], "12.5")
    assert trader.buy(10).code == "blacklist"
    api.patch("/api/v1/risk-policy", {"kill_switch": "halted", "blacklist": []}, format="json")
    assert trader.buy(10).code == "kill_switch"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"max_daily_loss": "-1"}, "max_daily_loss"),
        ({"position_limit": "NaN"}, "position_limit"),
        ({"cooling_period": -5}, "cooling_period"),
        ({"blacklist": ["B T C"]}, "blacklist.0"),
        ({"blacklist": "BTC"}, "blacklist"),
        ({"kill_switch": "off"}, "kill_switch"),
        ({"max_order_rate": 0}, "max_order_rate"),
        ({"max_depth_share": "101"}, "max_depth_share"),
        ({"max_price_move": "0"}, "max_price_move"),
        ({"max_loss": "1"}, "max_loss"),
        ([1], ""),
    ],
)
def test_a_wrong_policy_is_refused_naming_the_field(api: APIClient, body: object, field: str) -> None:
    answer = api.patch("/api/v1/risk-policy", body, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


def test_nobody_sees_anything_without_a_token(db: None) -> None:
    for address in ("orders", f"orders/{uuid4()}", "positions", "risk-policy"):
        assert APIClient().get(f"/api/v1/{address}").status_code in {401, 403}


def test_progress_counts_commands_orders_and_fills(trader: Trader) -> None:
    trader.buy(10, root_id="one")
    trader.buy(10, root_id="two", conditions={"order_type": "limit", "limit_price": 20000})
    trader.execute(trader.sell(50, root_id="two", conditions={"stop_loss": 5}))
    trader.buy(10, root_id="two", expires_at=trader.clock() - timedelta(seconds=1))
    trader.buy(10, root_id="three")
    told = selectors.progress(["one", "two"])
    assert (told.commands, told.denied, told.orders, told.filled, told.guards) == (4, 1, 3, 2, 1)
    assert told.settled


def test_the_selectors_tell_the_same_story(trader: Trader) -> None:
    outcome = trader.buy(10)
    (order,) = selectors.orders(trader.user.pk)
    (position,) = selectors.positions(trader.user.pk)
    assert (order.id, order.filled) == (outcome.order_id, position.amount)
    assert order.signal_id == Order.objects.get().command.signal_id
