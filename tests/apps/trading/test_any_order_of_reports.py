"""Reports and fills in any order, twice, late, by two ways: the rows say what the exchange did, exactly once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.trading import services
from apps.trading.domain.states import TERMINAL
from apps.trading.models import Fill, Order
from apps.trading.services import submit
from tests.apps.trading.conftest import Trader, make_trader
from tests.apps.trading.fake_venue import Standing
from tradebot.contracts.ports import VenueOrder

PARTS = ("0.02", "0.05", "0.01")
WORDS = ("open", "partially_filled", "canceled", "expired")
AGAIN = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _life(trader: Trader) -> tuple[Standing, list[VenueOrder]]:
    """An order that stands, is filled part by part and then cancelled, as the exchange tells it at each moment."""
    trader.buy(30, conditions={"order_type": "limit", "limit_price": 29000})
    (standing,) = trader.venue.standing()
    told = [trader.venue._report(standing)]
    for part in PARTS:
        trader.venue.fill(standing, part)
        told.append(trader.venue._report(standing))
    trader.venue.cancel(standing.request.pair, standing.request.client_id)
    return standing, [*told, trader.venue._report(standing)]


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, int]]:
    """What arrives: (by which way, which of the moments), in any order and number."""
    one = st.tuples(st.sampled_from(["stream", "bare", "fill", "rest", "wrong word"]), st.integers(0, len(PARTS) + 1))
    return draw(st.lists(one, min_size=1, max_size=10))


def _arrive(trader: Trader, way: str, told: VenueOrder, last: VenueOrder, moment: int) -> None:
    key, now = trader.credential.pk, trader.clock()
    match way:
        case "stream":
            services.absorb_report(key, told, now)
        case "bare":
            services.absorb_report(key, replace(told, fills=()), now)
        case "wrong word":
            services.absorb_report(key, replace(told, status=WORDS[moment % len(WORDS)]), now)
        case "fill":
            services.absorb_fill(key, last.fills[moment % len(last.fills)], now)
        case _:
            order = Order.objects.select_related("command").get(client_id=told.client_id)
            submit.absorb(order, told, venue=trader.venue, now=trader.clock)


@AGAIN
@given(history=histories())
def test_whatever_arrives_the_books_only_ever_go_forward_and_end_right(
    db: None, history: list[tuple[str, int]]
) -> None:
    trader = make_trader()
    standing, told = _life(trader)
    before = Order.objects.get(client_id=standing.request.client_id)
    for way, moment in history:
        _arrive(trader, way, told[moment], told[-1], moment)
        row = Order.objects.get(pk=before.pk)
        assert row.filled >= before.filled
        assert before.status not in TERMINAL or row.status == before.status
        assert row.filled == trader.held() == _booked(row)
        before = row
    for _ in range(2):
        _arrive(trader, "rest", told[-1], told[-1], 0)
    row = Order.objects.get(pk=before.pk)
    assert row.status in TERMINAL
    assert row.filled == trader.held() == _booked(row) == standing.filled
    assert (Fill.objects.filter(order=row).count(), row.reserved_quote) == (len(PARTS), 0)


def _booked(row: Order) -> Decimal:
    return sum(Fill.objects.filter(order=row).values_list("amount", flat=True), Decimal(0))
