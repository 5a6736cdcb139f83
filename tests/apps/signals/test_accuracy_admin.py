"""Operators see who was right, and trust a demoted source again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.signals.models_accuracy import AccuracyScore, Demotion

pytestmark = pytest.mark.django_db
SINCE = datetime(2026, 3, 1, tzinfo=UTC)
HOSTILE = "twitter:<script>alert(1)</script>&lt;"


def page(client: Client, noun: str = "accuracyscore") -> str:
    return client.get(reverse(f"admin:signals_{noun}_changelist")).content.decode()


def lift(client: Client, row: Demotion) -> None:
    asked: dict[str, Any] = {"action": "lift", "_selected_action": [row.pk]}
    client.post(reverse("admin:signals_demotion_changelist"), asked)


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser(username="operator"))
    return client


@pytest.fixture
def demotion() -> Demotion:
    return Demotion.objects.create(source="twitter:wrong", reason="right in 20 of 80 calls after 4h", since=SINCE)


def test_before_the_first_mark_the_page_says_when_it_comes(operator: Client) -> None:
    assert "No signal was marked yet: the first marks come 1h after" in page(operator)


def test_the_chart_shows_every_group_at_every_horizon(operator: Client) -> None:
    for horizon, hits in ((60, 60), (240, 45)):
        AccuracyScore.objects.create(
            kind="analyzer", name="rules", horizon=horizon, calls=100, hits=hits, momentum_calls=90, momentum_hits=40
        )
    AccuracyScore.objects.create(kind="author", name=HOSTILE, horizon=60, calls=1, hits=1)
    shown = page(operator)
    chart = shown[shown.index("<svg") : shown.index("</svg>")]
    assert [f"after {each}" in chart for each in ("1h", "4h")] == [True, True]
    assert "60 of 100 right, 95 % interval 50% to 69%" in chart
    assert "45% of 100" in chart
    assert chart.count("no calls") == 1
    assert "<script>alert(1)" not in shown
    assert "alert(1)" in chart


def test_a_demotion_is_lifted_by_an_operator(operator: Client, demotion: Demotion) -> None:
    assert "right in 20 of 80" in page(operator, "demotion")
    lift(operator, demotion)
    demotion.refresh_from_db()
    assert demotion.lifted_at is not None
    assert demotion.lifted_by is not None
    assert demotion.lifted_by.username == "operator"


def test_who_may_only_look_lifts_nothing(demotion: Demotion) -> None:
    viewer = User.objects.create(username="viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_demotion"))
    client = Client()
    client.force_login(viewer)
    lift(client, demotion)
    demotion.refresh_from_db()
    assert demotion.lifted_at is None
