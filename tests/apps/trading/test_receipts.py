"""Why did I trade: every part of the way is told, to its owner alone, and hostile text stays text."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.signals.models import Signal
from apps.strategies.models import Strategy
from apps.trading import receipts
from apps.trading.models import Command
from apps.trading.services import Outcome
from tests.apps.trading.conftest import Trader, make_trader
from tests.apps.trading.stories import following, judged
from tradebot.contracts.values import Mode

TEXT = "Buying $BTC now <script>alert('owned')</script>"
SHA256 = hashlib.sha256(TEXT.encode()).hexdigest()


@pytest.fixture(autouse=True)
def _memory_cache(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


@pytest.fixture
def signal(trader: Trader) -> Signal:
    return judged(TEXT)


@pytest.fixture
def strategy(trader: Trader, signal: Signal) -> Strategy:
    return following(trader.user, signal)


@pytest.fixture
def bought(trader: Trader, signal: Signal, strategy: Strategy) -> Outcome:
    return trader.execute(trader.command(signal_id=str(signal.pk), strategy_id=str(strategy.pk)))


@pytest.fixture
def api(trader: Trader) -> APIClient:
    client = APIClient()
    client.force_authenticate(trader.user)
    return client


def test_it_tells_the_whole_way_of_an_order(api: APIClient, bought: Outcome) -> None:
    told = api.get(f"/api/v1/orders/{bought.order_id}/receipt").json()
    assert told["post"]["sha256"] == SHA256
    assert told["images"][0]["boxes"][0]["text"] == "BUY BTC"
    assert {each["analyzer"]: each["error"] for each in told["analyses"]} == {"minilm": "", "rules": "took too long"}
    assert {each["model_version"] for each in told["analyses"]} == {"minilm-1", "rules-1"}
    assert told["signal"]["type"] == "bullish"
    assert (told["match"]["strategy_name"], told["match"]["detail"]) == ("follow the rocket", "it names BTC")
    assert [check["ok"] for check in told["decision"]["checks"]] == [True] * len(told["decision"]["checks"])
    assert told["attempts"][0]["client_id"] == told["client_id"]
    assert told["fills"][0]["price"] == told["order"]["average"]
    assert {span["name"] for span in told["timeline"]} >= {"decide", "exchange"}


def test_the_words_of_a_picture_that_decided_are_shown_at_their_place(
    trader: Trader, api: APIClient, signal: Signal, strategy: Strategy
) -> None:
    corners = [[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 9.0]]
    Signal.objects.update(evidence=[{"kind": "ocr", "quote": "BUY", "weight": 1.0, "model": "rules", "box": corners}])
    bought = trader.execute(trader.command(signal_id=str(signal.pk), strategy_id=str(strategy.pk)))
    told = api.get(f"/api/v1/orders/{bought.order_id}/receipt").json()
    assert told["signal"]["evidence"][0]["box"] == corners
    assert told["images"][0]["boxes"][0]["decided"] == ["BUY"]
    page = _page(bought)
    assert '<polygon points="0,0 9,0 9,9 0,9" class="decided">' in page
    assert "“BUY”" in page


def test_words_that_decided_nothing_are_not_marked(api: APIClient, bought: Outcome) -> None:
    told = api.get(f"/api/v1/orders/{bought.order_id}/receipt").json()
    assert told["images"][0]["boxes"][0]["decided"] == []
    assert 'class="decided"' not in _page(bought)


def test_a_shadow_says_why(trader: Trader, api: APIClient, signal: Signal, strategy: Strategy) -> None:
    Signal.objects.update(shadow="looks manipulated (0.80 of 0.6): it is worded like a pump", mood="instruction")
    command = trader.command(signal_id=str(signal.pk), strategy_id=str(strategy.pk), mode=Mode.SHADOW)
    outcome = trader.execute(command)
    assert outcome.order_id is None
    told = receipts.of_command(Command.objects.get().pk)
    assert told is not None
    assert told.signal is not None
    assert (told.command["mode"], told.command["state"]) == ("shadow", "SHADOWED")
    assert told.signal["shadow"].startswith("looks manipulated")


def _page(bought: Outcome) -> str:
    client = Client()
    client.force_login(User.objects.create_superuser(username="operator"))
    address = reverse("admin:trading_order_receipt", args=[bought.order_id])
    return client.get(address).content.decode()


def test_a_worse_fill_shows_as_slippage(trader: Trader, api: APIClient) -> None:
    trader.venue.book = (Decimal(29_900), Decimal(30_000))
    bought = trader.buy(10)
    (since,) = api.get(f"/api/v1/orders/{bought.order_id}/receipt").json()["slippage"]
    assert since["since"] == "decision"
    assert (
        Decimal(since["quote"])
        == ((trader.order(bought.order_id).average or 0) - Decimal(since["price"]))
        * trader.order(bought.order_id).filled
    )


def test_what_was_denied_has_a_receipt_with_its_reason(trader: Trader, api: APIClient) -> None:
    denied = trader.buy(10, pair="NOPE/USDT")
    listed = api.get("/api/v1/commands?state=denied").json()["results"]
    assert [(row["id"], row["code"]) for row in listed] == [(str(denied.command_id), "unknown_pair")]
    told = api.get(f"/api/v1/commands/{denied.command_id}/receipt").json()
    assert told["order"] is None
    assert told["attempts"] == told["fills"] == []
    assert "NOPE/USDT" in told["command"]["reason"]


def test_a_command_that_came_from_elsewhere_has_one_too(trader: Trader) -> None:
    bought = trader.execute(trader.command(signal_id="by hand", strategy_id="none"))
    found = receipts.of_order(bought.order_id)
    assert found is not None
    assert (found.post, found.signal, found.match) == (None, None, None)


@pytest.mark.parametrize("path", ["orders/{0.order_id}", "commands/{0.command_id}"])
def test_nobody_else_sees_it(bought: Outcome, path: str) -> None:
    stranger = APIClient()
    stranger.force_authenticate(make_trader().user)
    assert stranger.get(f"/api/v1/{path.format(bought)}/receipt").status_code == 404


@pytest.mark.parametrize("state", ["lost", "1"])
def test_a_state_that_is_none_is_named(api: APIClient, state: str) -> None:
    answer = api.get(f"/api/v1/commands?state={state}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "state"


# --- the admin's page ------------------------------------------------------------------------------------------------


@pytest.fixture
def operator(client: Client, db: None) -> Client:
    client.force_login(User.objects.create(username="operator", is_staff=True, is_superuser=True))
    return client


def page(operator: Client, model: str, key: object) -> str:
    return operator.get(reverse(f"admin:trading_{model}_receipt", args=[key])).content.decode()


def test_the_page_says_what_happened_and_keeps_hostile_text_text(operator: Client, bought: Outcome) -> None:
    said = page(operator, "order", bought.order_id)
    assert "Bought 0.1 BTC at 30000 USDT on paper" in said
    assert "follow the rocket" in said
    assert "<script>alert" not in said
    assert "&lt;script&gt;alert" in said
    assert SHA256 in said


def test_the_page_of_a_denied_command_says_why(operator: Client, trader: Trader) -> None:
    denied = trader.buy(10, pair="NOPE/USDT")
    said = page(operator, "command", denied.command_id)
    assert "denied: buy NOPE/USDT on paper" in said
    assert "Nothing was sent." in said


def test_the_page_needs_the_right_to_see_the_row(client: Client, bought: Outcome) -> None:
    client.force_login(User.objects.create(username="helper", is_staff=True))
    assert client.get(reverse("admin:trading_order_receipt", args=[bought.order_id])).status_code == 403


def test_there_is_no_page_of_an_order_that_is_not(operator: Client) -> None:
    assert operator.get(reverse("admin:trading_order_receipt", args=[uuid4()])).status_code == 404
