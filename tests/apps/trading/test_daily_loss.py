"""The daily loss counts everything the bot holds for a user, in every account and currency."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone

from apps.exchanges import selectors as exchanges
from apps.trading.models import Command, Position, RiskPolicy
from tests.apps.trading.conftest import Trader, make_trader
from tradebot.contracts.ports import Ticker
from tradebot.contracts.values import Pair


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> dict[Pair, Ticker]:
    """What other workers were told lately, by pair."""
    told: dict[Pair, Ticker] = {}

    def recent(wanted: list[tuple[str, Pair]]) -> dict[tuple[str, Pair], Ticker]:
        return {(where, pair): told[pair] for where, pair in wanted if pair in told}

    monkeypatch.setattr(exchanges, "recent_tickers", recent)
    return told


def book(pair: str, price: str) -> dict[Pair, Ticker]:
    at, number = Pair.parse(pair), Decimal(price)
    return {at: Ticker(at, number, number, number, timezone.now())}


def bought_elsewhere(trader: Trader, pair: str, cost: str) -> None:
    """A coin that cost `cost` in all; its row alone is changed, its last fill stays that of BTC at 30000."""
    trader.buy(10)
    base, quote = pair.split("/")
    row = Position.objects.get(coin="BTC")
    row.coin, row.quote, row.amount, row.cost_quote = base, quote, Decimal(1), Decimal(cost)
    row.save()
    type(trader.order(Command.objects.get().orders.get().pk).fills.get()).objects.update(pair=pair)


def limited(trader: Trader) -> None:
    RiskPolicy.objects.create(user=trader.user, max_daily_loss=Decimal(50))


def tried(trader: Trader) -> Command:
    """The row of a purchase that was just asked for."""
    command = trader.command(amount=Decimal(10))
    trader.execute(command)
    return Command.objects.get(signal_id=command.signal_id)


def test_another_coins_open_loss_counts(trader: Trader, books: dict[Pair, Ticker]) -> None:
    bought_elsewhere(trader, "ETH/USDT", "30100")
    limited(trader)
    books.update(book("ETH/USDT", "30000"))
    assert tried(trader).code == "max_daily_loss"
    books.update(book("ETH/USDT", "30090"))
    assert trader.buy(10).state == "DONE"


def test_without_a_book_the_last_fill_is_the_price_and_said_so(trader: Trader, books: dict[Pair, Ticker]) -> None:
    bought_elsewhere(trader, "ETH/USDT", "30100")
    limited(trader)
    denied = tried(trader)
    assert denied.code == "max_daily_loss"
    [check] = [one for one in denied.decision["checks"] if one["name"] == "max_daily_loss"]
    assert "last fill" in check["numbers"]["price of ETH/USDT at paper"]


def test_a_loss_in_another_currency_is_converted_or_stops_the_entry(trader: Trader, books: dict[Pair, Ticker]) -> None:
    bought_elsewhere(trader, "ETH/EUR", "30010")
    limited(trader)
    assert "no price of EUR in USDT" in tried(trader).reason
    books.update(book("EUR/USDT", "6"))
    assert "60 lost today" in tried(trader).reason
    books.update(book("EUR/USDT", "2"))
    assert trader.buy(10).state == "DONE"


def test_an_exit_asks_for_no_price(trader: Trader, books: dict[Pair, Ticker]) -> None:
    trader.buy(10)
    limited(trader)
    Position.objects.create(
        user=trader.user, credential=trader.credential, coin="ETH", quote="EUR", amount=1, cost_quote=10,
        updated_at=timezone.now(),
    )  # fmt: skip
    assert "no price of ETH/EUR" in tried(trader).reason
    assert trader.execute(trader.sell(100)).state == "DONE"


def test_where_only_the_other_way_round_is_quoted_that_is_turned(trader: Trader, books: dict[Pair, Ticker]) -> None:
    bought_elsewhere(trader, "ETH/EUR", "30010")
    limited(trader)
    books.update(book("USDT/EUR", "0.125"))
    assert "80 lost today" in tried(trader).reason


def test_a_loss_taken_in_another_currency_counts(trader: Trader, books: dict[Pair, Ticker]) -> None:
    trader.buy(10)
    fill = trader.order(Command.objects.get().orders.get().pk).fills.get()
    type(fill).objects.update(pair="ETH/EUR", side="sell", realised_quote=Decimal(-20))
    Position.objects.all().delete()
    limited(trader)
    books.update(book("EUR/USDT", "3"))
    assert "60 lost today" in tried(trader).reason
    books.update(book("EUR/USDT", "2"))
    assert trader.buy(10).state == "DONE"


def test_losses_of_all_accounts_at_all_venues_count(trader: Trader, books: dict[Pair, Ticker]) -> None:
    bought_elsewhere(trader, "ETH/USDT", "30100")
    second = make_trader("second")
    second.user, second.credential.user = trader.user, trader.user
    second.credential.venue = "kraken"
    second.credential.save()
    limited(trader)
    books.update(book("ETH/USDT", "30000"))
    denied = second.execute(second.command(amount=Decimal(10), exchange="kraken"))
    assert denied.code == "max_daily_loss"
