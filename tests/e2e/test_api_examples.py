"""The API examples of the design, to the letter, against the running web process."""

from __future__ import annotations

import httpx

from tests.e2e.conftest import BULLISH, post, strategy
from tests.stack import RunningStack, Trader


def test_the_strategy_example(trader: Trader) -> None:
    body = {
        "user_id": trader.user_id,
        "watch_list": {
            "twitter_users": ["elonmusk"],
            "telegram_groups": ["cryptosignals"],
            "keywords": ["merge", "halving"],
        },
        "actions": {"bullish": {"percentage": 30, "max_amount": 5000}, "bearish": {"percentage": 50, "stop_loss": 10}},
    }

    answer = trader.api.post("/api/v1/strategies", json=body)

    assert answer.status_code == 201
    made = answer.json()
    assert made["user_id"] == trader.user_id
    assert made["watch_list"]["twitter_users"] == ["elonmusk"]
    assert made["mode"] == "paper"
    assert [row["id"] for row in trader.all("/api/v1/strategies")] == [made["id"]]


def test_the_signal_example(stack: RunningStack, trader: Trader, author: str) -> None:
    stack.ingest([post("Bitcoin breakout, buying $BTC now, extremely bullish", author)])

    answer = trader.api.get("/api/v1/signals?coin=BTC&since=2023-07-01")

    assert answer.status_code == 200
    signal = next(row for row in answer.json()["signals"] if f"twitter:{author}" in row["sources"])
    assert {"id", "type", "confidence", "sources", "timestamp"} <= signal.keys()
    assert signal["type"] == "bullish"
    assert 0 < signal["confidence"] <= 1
    assert signal["timestamp"].endswith("Z")


def test_someone_elses_user_id_is_forbidden(stack: RunningStack, trader: Trader) -> None:
    other = stack.trader(f"other-{trader.user_id[:8]}")
    body = {"user_id": other.user_id, "watch_list": {}, "actions": {"bullish": {"percentage": 1}}}

    assert trader.api.post("/api/v1/strategies", json=body).status_code == 403


def test_someone_elses_objects_are_not_there(stack: RunningStack, trader: Trader, author: str) -> None:
    made = strategy(trader, author)
    stack.ingest([post(BULLISH, author)])
    [order] = trader.all("/api/v1/orders")
    stranger = stack.trader(f"stranger-{trader.user_id[:8]}")

    for path in (
        f"/api/v1/orders/{order['id']}",
        f"/api/v1/orders/{order['id']}/receipt",
        f"/api/v1/strategies/{made['id']}",
        f"/api/v1/credentials/{trader.credential_id}",
    ):
        assert trader.api.get(path).status_code == 200, path
        assert stranger.api.get(path).status_code == 404, path
    assert stranger.all("/api/v1/orders") == []


def test_bad_strategies_are_refused_with_the_fields_name(trader: Trader) -> None:
    cases = {
        "actions.bullish.percentage": {"actions": {"bullish": {"percentage": 130}}},
        "actions": {"actions": {}},
        "wach_list": {"wach_list": {}, "actions": {"bullish": {"percentage": 1}}},
    }
    for field, change in cases.items():
        answer = trader.api.post("/api/v1/strategies", json={"user_id": trader.user_id, "watch_list": {}, **change})
        assert answer.status_code == 400
        assert field in answer.text, answer.text


def test_without_a_token_nothing_is_told(stack: RunningStack) -> None:
    for path in ("strategies", "signals", "orders", "positions", "credentials", "risk-policy", "posts"):
        assert httpx.get(f"{stack.run['web']}/api/v1/{path}").status_code == 401, path


def test_a_pushed_post_reaches_only_its_own_users_strategies(stack: RunningStack, trader: Trader) -> None:
    neighbour = stack.trader(f"neighbour-{trader.user_id[:8]}")
    for person in (trader, neighbour):
        body = {
            "user_id": person.user_id,
            "watch_list": {"keywords": [trader.user_id]},
            "actions": {"bullish": {"percentage": 1}},
            "cooldown_minutes": 0,
        }
        assert person.api.post("/api/v1/strategies", json=body).status_code == 201
    pushed = post(f"{BULLISH} says {trader.user_id}", "elonmusk")

    answer = trader.api.post("/api/v1/posts", json=pushed)

    assert answer.status_code == 202
    orders = _await_orders(trader)
    assert len(orders) == 1
    assert neighbour.all("/api/v1/orders") == []


def _await_orders(trader: Trader) -> list[dict[str, object]]:
    import time

    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if found := trader.all("/api/v1/orders"):
            return found
        time.sleep(0.1)
    raise AssertionError("no order came of the pushed post in 30 s")


def test_a_push_with_a_wrong_field_is_refused_with_its_name(trader: Trader, author: str) -> None:
    for change, field in (({"data": 5}, "data"), ({"timestamp": "now"}, "timestamp"), ({"type": "smell"}, "type")):
        answer = trader.api.post("/api/v1/posts", json={**post("hello", author), **change})
        assert answer.status_code == 400
        assert field in answer.text


def test_health_says_what_is_up(stack: RunningStack) -> None:
    web = stack.run["web"]

    assert httpx.get(f"{web}/healthz").status_code == 200
    ready = httpx.get(f"{web}/readyz")
    assert ready.status_code == 200, ready.text
    assert {"database", "redis", "broker"} <= set(ready.text.replace('"', " ").split())


def test_flower_wants_a_password(stack: RunningStack) -> None:
    assert httpx.get(f"{stack.run['flower']}/").status_code == 401
