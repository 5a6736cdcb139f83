"""Operators find signals, analyses and coins in the admin, and change none of them."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.signals.models import Analysis, Signal
from tests.apps.signals.conftest import recorded
from workers.analyze import analyze
from workers.features import features

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("coins")]


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser(username="operator"))
    return client


@pytest.mark.parametrize("noun", ["signal", "analysis", "coin"])
def test_lists_can_be_searched(operator: Client, noun: str) -> None:
    analyze(features([recorded("Binance will list PEPE")]))
    page = operator.get(reverse(f"admin:signals_{noun}_changelist"), {"q": "PEPE"})
    assert page.status_code == 200
    assert "PEPE" in page.content.decode() or noun == "analysis"


def test_a_signal_shows_its_quotes_as_text(operator: Client) -> None:
    analyze(features([recorded("<script>alert(1)</script> Binance will list PEPE")]))
    page = operator.get(reverse("admin:signals_signal_change", args=[Signal.objects.get().pk])).content.decode()
    assert "will list" in page
    assert "<script>alert(1)" not in page


def test_nothing_can_be_changed(operator: Client) -> None:
    analyze(features([recorded("Binance will list PEPE")]))
    before = list(Analysis.objects.values())
    address = reverse("admin:signals_analysis_change", args=[before[0]["id"]])
    assert operator.post(address, {"confidence": "1"}).status_code == 403
    assert operator.post(reverse("admin:signals_coin_add"), {"symbol": "NEW"}).status_code == 403
    assert list(Analysis.objects.values()) == before
