"""The demo decides the same on RabbitMQ and on Valkey, and repeats nothing."""

from __future__ import annotations

import json

import httpx

from tests.stack import RunningStack, running_stack
from workers.demo.cast import TRADER

Decision = tuple[str, str, str, str, str]


def test_the_demo_decides_the_same_on_both_brokers_and_repeats_nothing(stack: RunningStack) -> None:
    _play(stack)
    on_rabbitmq = _decisions(stack)
    _play(stack)
    assert _decisions(stack) == on_rabbitmq

    with running_stack(BROKER="embedded", PORT="18100") as other:
        assert other.run["broker"].startswith("redis")
        _play(other)
        assert _decisions(other) == on_rabbitmq

    assert {side for _, _, _, side, _ in on_rabbitmq} == {"buy", "sell"}


def _play(stack: RunningStack) -> None:
    played = stack.manage("demo", "--speed", "0")
    assert "13 of 13 expected orders: " in played.stdout


def _decisions(stack: RunningStack) -> list[Decision]:
    """Post (by its signal's id, which both runs share), strategy, pair, side and leg of every order."""
    token = json.loads(stack.manage("trader", TRADER, "--deposit", "USDT=1").stdout)["token"]
    with httpx.Client(base_url=stack.run["web"], headers={"Authorization": f"Token {token}"}, timeout=30) as api:
        names = {row["id"]: row["name"] for row in api.get("/api/v1/strategies").json()["results"]}
        page = api.get("/api/v1/orders", params={"page_size": 200}).json()
    assert page["next"] is None
    rows = page["results"]
    return sorted((row["signal_id"], names[row["strategy_id"]], row["pair"], row["side"], row["leg"]) for row in rows)
