"""Venues and their markets in the database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.exchanges import selectors, services
from apps.exchanges.adapters import connect
from apps.exchanges.models import Dialect, MarketRow, Venue
from tests.apps.exchanges.paper_process import PaperProcess
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.ports import Market
from tradebot.contracts.values import Pair
from workers.markets import FRESH, sync_due

pytestmark = pytest.mark.django_db

BTC = Market(Pair("BTC", "USDT"), Decimal("0.01"), Decimal("0.00001"), Decimal("0.00001"), Decimal(9000), Decimal(5))
ETH = replace(BTC, pair=Pair("ETH", "USDT"), max_amount=None, market_step=Decimal(1))


@pytest.fixture(autouse=True)
def _venues() -> None:
    services.ensure_venues()


def test_shipped_venues_keep_an_operators_changes() -> None:
    Venue.objects.filter(name="paper").update(note="mine")
    services.ensure_venues()
    assert Venue.objects.get(name="paper").note == "mine"
    assert {venue.name for venue in Venue.objects.all()} == {"paper", *Dialect.values}


def test_real_money_is_off_until_enabled_on_purpose() -> None:
    assert [venue.name for venue in selectors.enabled_venues()] == ["paper"]
    assert selectors.venue("binance") is None


def test_paper_lives_where_the_settings_say(settings: Any) -> None:
    settings.PAPER_EXCHANGE_URL = "http://127.0.0.1:1"
    paper = selectors.venue("paper")
    assert paper is not None
    assert paper.base_url == "http://127.0.0.1:1"
    assert paper.paper


def test_markets_come_back_as_they_were_stored() -> None:
    assert services.sync_markets(venue="paper", markets=[BTC, ETH]) == 2
    assert selectors.tradable("paper", "BTC", "USDT") == BTC
    assert selectors.tradable("paper", "ETH", "USDT") == ETH
    assert str(selectors.markets("paper")["ETH/USDT"].step) == "0.00001"
    assert selectors.tradable("paper", "NOPE", "USDT") is None


def test_a_market_no_longer_listed_stops_being_tradable() -> None:
    services.sync_markets(venue="paper", markets=[BTC, ETH])
    assert services.sync_markets(venue="paper", markets=[replace(BTC, tick=Decimal("0.1"))]) == 1
    assert selectors.tradable("paper", "ETH", "USDT") is None
    assert selectors.tradable("paper", "BTC", "USDT") == replace(BTC, tick=Decimal("0.1"))
    assert MarketRow.objects.count() == 2


def test_disabled_venue_has_no_tradable_market() -> None:
    services.sync_markets(venue="binance", markets=[BTC])
    assert selectors.tradable("binance", "BTC", "USDT") is None


def test_markets_are_read_once(django_assert_num_queries: Any) -> None:
    services.sync_markets(venue="paper", markets=[BTC, ETH])
    with django_assert_num_queries(1):
        for _ in range(3):
            assert selectors.tradable("paper", "BTC", "USDT")
            assert not selectors.tradable("paper", "XYZ", "USDT")


def test_unknown_venue_is_named() -> None:
    with pytest.raises(InvalidField, match="create it in the admin"):
        services.sync_markets(venue="nowhere", markets=[])


def test_paper_markets_are_synchronised_through_the_adapter(paper_settings: PaperProcess) -> None:
    info = selectors.venue("paper")
    assert info is not None
    venue = connect(info, "", "")
    assert services.sync_markets(venue="paper", markets=venue.markets()) >= 50
    assert selectors.tradable("paper", "BTC", "USDT") == venue.market(Pair("BTC", "USDT"))


def test_the_markets_of_a_venue_that_was_just_enabled_are_read_and_after_an_hour_again(
    paper_settings: PaperProcess,
) -> None:
    Venue.objects.update_or_create(name="binance", defaults={"base_url": paper_settings.url, "enabled": True})
    Venue.objects.update_or_create(name="gone", defaults={"base_url": "http://127.0.0.1:1", "enabled": True})
    Venue.objects.filter(name="paper").update(enabled=False)
    assert selectors.tradable("binance", "BTC", "USDT") is None

    assert sync_due() == 1
    assert selectors.tradable("binance", "BTC", "USDT") is not None
    assert sync_due() == 0
    Venue.objects.filter(name="binance").update(synced_at=timezone.now() - FRESH - timedelta(seconds=1))
    assert sync_due() == 1


def test_price_command_moves_the_running_exchange(paper_settings: PaperProcess) -> None:
    said = StringIO()
    call_command("paper_exchange", "price", "BTC/USDT", "30100", stdout=said)
    assert said.getvalue().startswith("BTC/USDT 30100")
    with pytest.raises(CommandError, match="not listed"):
        call_command("paper_exchange", "price", "NOPE/USDT", "1")
    with pytest.raises(CommandError, match="not a number"):
        call_command("paper_exchange", "price", "BTC/USDT", "lots")


def test_admin_pages_open(admin_client: Client) -> None:
    services.sync_markets(venue="paper", markets=[BTC])
    for model in ("venue", "marketrow"):
        assert admin_client.get(reverse(f"admin:exchanges_{model}_changelist")).status_code == 200
    assert admin_client.get(reverse("admin:exchanges_venue_change", args=["paper"])).status_code == 200
    assert admin_client.get(reverse("admin:exchanges_marketrow_add")).status_code == 403
