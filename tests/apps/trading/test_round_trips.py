"""What an order costs the database: few statements, each whole or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from pytest_django import DjangoAssertNumQueries

from apps.trading.models import ExecutionReport, Order
from apps.trading.services import writes
from tests.apps.trading.conftest import Trader
from tradebot import sql


@pytest.fixture
def journeys(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many statements each round trip to the database carried."""
    found: list[int] = []
    real = sql.together

    def counted(*queries: sql.Query) -> list[list[Any]]:
        found.append(len(queries))
        return real(*queries)

    monkeypatch.setattr(sql, "together", counted)
    return found


def test_a_market_order_takes_five_round_trips(
    trader: Trader, journeys: list[int], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    trader.buy(10)
    journeys.clear()
    savepoints = 4  # of the two transactions, inside a test's own; the rest is not Django's to count
    with django_assert_num_queries(savepoints):
        assert trader.buy(10).status == "FILLED"
    assert len(journeys) == 5, journeys
    assert sum(journeys) == 8, journeys


def a_report(trader: Trader) -> ExecutionReport:
    order = trader.order(trader.buy(10).order_id)
    return ExecutionReport(order=order, kind="OPEN", data={"of": "this test"}, at=datetime.now(UTC))


def test_a_row_comes_back_as_it_was_written(trader: Trader) -> None:
    report = a_report(trader)
    writes.together(writes.insert(report))
    stored = ExecutionReport.objects.get(kind="OPEN")
    assert (stored.order_id, stored.data, stored.at) == (report.order_id, {"of": "this test"}, report.at)


def test_a_change_that_reaches_no_row_is_an_error(trader: Trader) -> None:
    gone = Order(id=uuid4(), reason="nobody has this row")
    with pytest.raises(DatabaseError, match="trading_order"):
        writes.together(writes.insert(a_report(trader)), writes.update(gone, ["reason"]))


def test_of_writes_sent_together_all_are_stored_or_none(trader: Trader) -> None:
    report, order = a_report(trader), Order.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        writes.together(writes.insert(report), writes.insert(order))
    assert not ExecutionReport.objects.filter(kind="OPEN").exists()
