"""Which prices and books are kept warm before anybody orders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from apps.accounts.models import Credential, CredentialStatus, User
from apps.exchanges import selectors as venues
from apps.exchanges.domain.wire import depth_key, read_depth
from apps.exchanges.models import Venue
from apps.signals.models import Signal
from apps.sources.models import Post
from apps.strategies import services as strategies
from tests.apps.exchanges.paper_process import PaperProcess
from tests.unit.strategies.factories import ANYTHING
from tests.workers.streams.conftest import Account, Listener, until
from tradebot import valkey
from tradebot.contracts.ports import Depth
from tradebot.contracts.values import Pair
from workers.streams import choices as module
from workers.streams.choices import Choices, choices

pytestmark = pytest.mark.django_db

BTC = Pair("BTC", "USDT")
WATCHES_BTC = {**ANYTHING, "watch_list": {"coins": ["BTC"]}}


@pytest.fixture(autouse=True)
def _two_venues(db: None) -> Iterator[None]:
    Venue.objects.update_or_create(name="paper", defaults={"enabled": True})
    Venue.objects.update_or_create(name="kraken", defaults={"dialect": "kraken", "sandbox": True, "enabled": True})
    venues.forget()
    yield
    venues.forget()


def a_person(*at: str) -> User:
    user = User.objects.create_user(f"ann-{uuid4().hex[:8]}")
    for venue in at:
        Credential.objects.create(
            user=user, venue=venue, status=CredentialStatus.ACTIVE, envelope={}, is_default=venue == "paper"
        )
    return user


def talked_about(*coins: str, hours_ago: int = 1) -> None:
    at = datetime.now(UTC) - timedelta(hours=hours_ago)
    post = Post.objects.create(
        id=uuid4(), source="rss", author="a", native_id=uuid4().hex, posted_at=at, seen_at=at, story_id=uuid4()
    )
    Signal.objects.create(id=uuid4(), post=post, type="bullish", confidence=0.9, coins=list(coins), timestamp=at)


def test_nobody_watches_so_nothing_is_kept() -> None:
    assert choices() == Choices()


def test_the_coins_a_strategy_names_at_the_account_it_uses() -> None:
    strategies.create(user_id=a_person("paper").pk, raw=WATCHES_BTC)
    assert choices() == Choices({"paper": frozenset({"BTC/USDT"})})


def test_books_are_kept_where_the_exchange_is_chosen_by_us() -> None:
    strategies.create(user_id=a_person("paper", "kraken").pk, raw={**WATCHES_BTC, "venue": "best"})
    both = {"paper": frozenset({"BTC/USDT"}), "kraken": frozenset({"BTC/USDT"})}
    assert choices() == Choices(both, both)


def test_one_account_leaves_nothing_to_choose() -> None:
    strategies.create(user_id=a_person("paper").pk, raw={**WATCHES_BTC, "venue": "best"})
    assert choices() == Choices({"paper": frozenset({"BTC/USDT"})})


def test_for_any_coin_it_is_those_that_were_talked_about_lately() -> None:
    strategies.create(user_id=a_person("paper").pk, raw=ANYTHING)
    talked_about("DOGE", "ETH")
    talked_about("LUNA", hours_ago=48)
    assert choices().prices == {"paper": frozenset({"DOGE/USDT", "ETH/USDT"})}


def test_what_most_want_is_kept_when_there_is_not_room_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PRICES", 1)
    strategies.create(user_id=a_person("paper").pk, raw={**ANYTHING, "watch_list": {"coins": ["ADA", "BTC"]}})
    strategies.create(user_id=a_person("paper").pk, raw=WATCHES_BTC)
    assert choices().prices == {"paper": frozenset({"BTC/USDT"})}


@pytest.mark.django_db(transaction=True)
def test_a_book_is_there_before_the_order_and_follows_the_price(
    exchange: PaperProcess, account: Callable[[str], Account], listen: Callable[[], Listener], settings: Any
) -> None:
    ann = account("ann")
    Venue.objects.exclude(name="paper").delete()
    other = Venue.objects.create(name="second", dialect="binance", base_url=exchange.url, sandbox=True, enabled=True)
    second = Credential.objects.create(
        user_id=ann.user_id, venue=other.name, status=CredentialStatus.ACTIVE, envelope={}, is_default=False
    )
    assert second.pk
    venues.forget()
    strategies.create(user_id=ann.user_id, raw={**WATCHES_BTC, "venue": "best"})
    listen()

    until(lambda: depth("paper") and depth("second"))
    exchange.price("BTC/USDT", "31000")
    assert until(lambda: _best_ask("paper") > 30900) < 3


def depth(venue: str) -> Depth | None:
    raw: Any = valkey.client().get(depth_key(venue, str(BTC)))
    return read_depth(BTC, raw)


def _best_ask(venue: str) -> Decimal:
    found = depth(venue)
    return found.asks[0].price if found else Decimal(0)
