"""What the account of an order was chosen from stands in the command's decision, whatever becomes of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from apps.trading.models import Command
from tests.apps.trading.conftest import Trader
from tradebot.contracts.messages import VenueScore

SCORES = [
    VenueScore(exchange="paper", credential_id="a", score=Decimal("0.9"), parts={"fee": Decimal("0.8")}, chosen=True),
    VenueScore(exchange="kraken", credential_id="b", note="its book is empty"),
]


def told(trader: Trader, venues: list[VenueScore]) -> dict[str, Any]:
    trader.execute(trader.command(venues=venues))
    decision: dict[str, Any] = Command.objects.get().decision
    return decision


def test_a_bought_one_tells_its_venues(trader: Trader) -> None:
    decision = told(trader, SCORES)

    assert [(one["exchange"], one["score"], one["chosen"]) for one in decision["venues"]] == [
        ("paper", "0.9", True),
        ("kraken", "0", False),
    ]
    assert decision["before"] == []


def test_a_denied_one_tells_them_too(trader: Trader) -> None:
    trader.venue.free["USDT"] = Decimal(0)

    assert len(told(trader, SCORES)["venues"]) == 2
    assert Command.objects.get().state == "DENIED"


def test_one_without_a_choice_tells_none(trader: Trader) -> None:
    assert "venues" not in told(trader, [])
