"""A strategy may leave the exchange to us: the best of the user's own accounts, by what is known without asking."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import Credential, CredentialStatus, User
from apps.exchanges import selectors as exchanges
from apps.exchanges.adapters import snapshots
from apps.exchanges.domain.health import OPEN_AFTER, Health, Observation, observe
from apps.exchanges.domain.wire import health_key, pack_health
from apps.exchanges.models import MarketRow, Venue
from apps.strategies import services
from apps.strategies.adapters.cache import hot
from apps.strategies.models import Match
from apps.trading.models import Position
from tests.apps.strategies.conftest import an_account, problems
from tests.apps.strategies.test_dispatch import heard
from tests.unit.strategies.factories import ANYTHING
from tradebot import valkey
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.messages import TradeCommand, from_wire
from tradebot.contracts.ports import Depth, Level, Ticker
from tradebot.contracts.values import Pair
from workers.dispatch import dispatch

pytestmark = pytest.mark.django_db

BTC = Pair("BTC", "USDT")
BEST = {**ANYTHING, "venue": "best"}


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    hot.cache_clear()
    _forget()
    yield
    hot.cache_clear()
    _forget()


def _forget() -> None:
    for kind in ("ticker", "depth", "health"):
        if keys := list(valkey.client().scan_iter(f"tradebot:{kind}:*")):
            valkey.client().delete(*keys)


@pytest.fixture
def kraken(alice: User) -> Credential:
    """Alice's second account, at a test network: no real money, so a paper strategy may use it."""
    return account_at(alice, "kraken")


def account_at(user: User, name: str) -> Credential:
    venue, _ = Venue.objects.update_or_create(name=name, defaults={"dialect": name, "sandbox": True, "enabled": True})
    rules = {"tick": "0.01", "step": "0.00001", "min_amount": 0, "min_notional": 5}
    MarketRow.objects.get_or_create(venue=venue, pair=str(BTC), defaults=rules)
    exchanges.forget()
    return an_account(user, name)


def known(venue: str, ask: str, amount: str = "100") -> None:
    """The book that some worker saw a moment ago: a bid one under the ask."""
    asks = (Level(Decimal(ask), Decimal(amount)),)
    bids = (Level(Decimal(ask) - 1, Decimal(amount)),)
    snapshots.put_depth(venue, Depth(BTC, bids, asks, datetime.now(UTC)))


def commanded(**changes: Any) -> TradeCommand:
    (command,) = dispatch([heard(**changes)])
    return command


def test_the_better_book_gets_the_order_and_the_command_tells_what_it_was_chosen_from(
    alice: User, kraken: Credential
) -> None:
    known("paper", "30300")
    known("kraken", "30000")
    services.create(user_id=alice.pk, raw=BEST)

    command = commanded()

    assert (command.exchange, command.credential_id) == ("kraken", str(kraken.pk))
    assert [(score.exchange, score.chosen) for score in command.venues] == [("kraken", True), ("paper", False)]
    assert command.venues[0].score > command.venues[1].score
    assert set(command.venues[0].parts) == {"liquidity", "fee", "health", "preference"}
    assert command.venues[0].price == 30000


def test_it_comes_back_the_same_although_the_books_changed(alice: User, kraken: Credential) -> None:
    known("kraken", "30000")
    services.create(user_id=alice.pk, raw=BEST)
    signal = heard()
    first = dispatch([signal])
    _forget()
    known("paper", "20000")

    assert dispatch([signal]) == first
    assert from_wire(TradeCommand, Match.objects.get().command) == first[0]


def test_a_price_alone_will_do(alice: User, kraken: Credential) -> None:
    snapshots.put_ticker("kraken", Ticker(BTC, Decimal(29999), Decimal(30000), Decimal(30000), datetime.now(UTC)))
    services.create(user_id=alice.pk, raw=BEST)

    assert commanded().exchange == "kraken"


@pytest.mark.usefixtures("kraken")
def test_if_nothing_is_known_it_is_the_users_default(alice: User) -> None:
    services.create(user_id=alice.pk, raw=BEST)

    command = commanded()

    assert command.exchange == "paper"
    assert "nothing is known" in {score.exchange: score for score in command.venues}["paper"].note or (
        "no price" in command.venues[0].note
    )


@pytest.mark.usefixtures("kraken")
def test_without_valkey_it_is_the_users_default(alice: User, settings: Any) -> None:
    services.create(user_id=alice.pk, raw=BEST)
    signal = heard()
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    (command,) = dispatch([signal])

    assert command.exchange == "paper"


@pytest.mark.usefixtures("kraken")
def test_a_venue_whose_breaker_is_open_gets_no_entry(alice: User) -> None:
    known("paper", "30300")
    known("kraken", "30000")
    now, health = valkey.now_ms(), Health()
    for _ in range(OPEN_AFTER):
        health = observe(health, Observation(now, 5, "HTTP 503"))
    valkey.client().set(health_key("kraken"), pack_health(health))
    services.create(user_id=alice.pk, raw=BEST)

    command = commanded()

    assert command.exchange == "paper"
    assert "circuit breaker" in command.venues[1].note


@pytest.mark.usefixtures("kraken")
def test_among_equals_the_first_named_wins_and_nothing_unnamed_is_used(alice: User) -> None:
    account_at(alice, "okx")
    for venue in ("kraken", "okx", "paper"):
        known(venue, "30000")
    Venue.objects.update(taker_fee=Decimal("0.001"))
    services.create(user_id=alice.pk, raw={**ANYTHING, "venue": ["okx", "kraken"]})

    command = commanded()

    assert [score.exchange for score in command.venues] == ["okx", "kraken"]
    assert command.exchange == "okx"


@pytest.mark.usefixtures("kraken")
def test_real_money_is_no_choice_of_a_paper_strategy(alice: User) -> None:
    an_account(alice, "binance")
    known("binance", "20000")
    services.create(user_id=alice.pk, raw=BEST)

    assert "binance" not in {score.exchange for score in commanded().venues}


def test_another_users_account_is_no_choice(alice: User, bob: User) -> None:
    account_at(bob, "kraken")
    known("kraken", "20000")
    services.create(user_id=alice.pk, raw=BEST)

    assert [score.exchange for score in commanded().venues] == ["paper"]


def test_what_was_bought_somewhere_is_sold_there(alice: User, kraken: Credential) -> None:
    known("paper", "40000")
    Position.objects.create(
        credential=kraken, user=alice, coin="BTC", quote="USDT", amount=1, cost_quote=30000, updated_at=timezone.now()
    )
    services.create(user_id=alice.pk, raw={**ANYTHING, "venue": ["paper"]})

    command = commanded(type="bearish")

    assert command.credential_id == str(kraken.pk)
    assert command.venues[0].note == "it holds the position"


def test_a_named_account_costs_no_question_more(
    alice: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    services.create(user_id=alice.pk, raw=ANYTHING)
    signal = heard()
    dispatch([heard(coins=["ETH"])])

    with django_assert_max_num_queries(16):
        (command,) = dispatch([signal])

    assert command.venues == []


@pytest.mark.parametrize("status", [CredentialStatus.PENDING, CredentialStatus.REFUSED])
def test_saving_needs_an_account_to_choose_from(alice: User, status: CredentialStatus) -> None:
    Credential.objects.update(status=status)

    with pytest.raises(InvalidField, match="venue: none of the user's active accounts"):
        services.create(user_id=alice.pk, raw=BEST)


def test_the_api_takes_it_shows_it_and_names_what_is_wrong(alice: User, speaking_for: Any) -> None:
    client = speaking_for(alice)

    made = client.post("/api/v1/strategies", {**ANYTHING, "venue": "best"}, format="json")
    wrong = client.post("/api/v1/strategies", {**ANYTHING, "venue": "cheapest"}, format="json")

    assert made.json()["venue"] == "best"
    assert wrong.status_code == 400
    assert "best" in problems(wrong)["venue"]


def test_a_command_carries_the_price_that_its_signal_found(alice: User) -> None:
    snapshots.put_ticker("paper", Ticker(BTC, Decimal(29999), Decimal(30001), Decimal(30000), datetime.now(UTC)))
    services.create(user_id=alice.pk, raw=ANYTHING)
    assert commanded().signal_price == 30001


def test_a_price_that_nobody_knows_is_left_out(alice: User) -> None:
    services.create(user_id=alice.pk, raw=ANYTHING)
    assert commanded().signal_price is None
