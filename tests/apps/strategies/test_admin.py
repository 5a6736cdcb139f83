"""Operators work on strategies in the admin."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.strategies import selectors, services
from apps.strategies.models import Cooldown, Match, Strategy, StrategyVersion
from tests.apps.strategies.test_dispatch import heard
from tests.unit.strategies.factories import DESIGN_EXAMPLE
from workers.dispatch import dispatch

LIST = "admin:strategies_strategy_changelist"


@pytest.fixture
def admin_page(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


def post_spec(client: Client, url: str, spec: Any, **more: Any) -> Any:
    versions = {"versions-TOTAL_FORMS": 0, "versions-INITIAL_FORMS": 0}
    text = spec if isinstance(spec, str) else json.dumps(spec)
    return client.post(url, {"spec": text, **versions, **more})


def test_a_strategy_is_made_for_a_user(admin_page: Client, alice: User, operator: User) -> None:
    url = reverse("admin:strategies_strategy_add")
    assert admin_page.get(url).status_code == 200
    assert post_spec(admin_page, url, DESIGN_EXAMPLE, user=str(alice.pk)).status_code == 302
    assert Strategy.objects.get().user == alice
    assert StrategyVersion.objects.get().author == operator


def test_an_edit_says_just_what_it_says_and_is_a_version(admin_page: Client, alice: User) -> None:
    made = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
    url = reverse("admin:strategies_strategy_change", args=[made.id])
    shown = admin_page.get(url)
    assert "elonmusk" in shown.content.decode()
    spec = {"name": "only buys", "actions": {"bullish": {"percentage": 7}}}
    assert post_spec(admin_page, url, spec).status_code == 302
    saved = selectors.strategy(made.id)
    assert saved is not None
    assert (saved.version, saved.name, saved.spec["actions"]) == (2, "only buys", spec["actions"])


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (
            {"actions": {"bullish": {"percentage": 130}}, "colour": 1},
            ["actions.bullish.percentage: give", "colour: is"],
        ),
        ({"actions": {"bullish": {"percentage": 30}}, "mode": "live"}, ["mode: "]),
        ([1], ["the whole: give an object"]),
        ("{", ["Enter a valid JSON."]),
    ],
)
def test_a_broken_rule_is_told_at_the_field(admin_page: Client, alice: User, spec: Any, told: list[str]) -> None:
    response = post_spec(admin_page, reverse("admin:strategies_strategy_add"), spec, user=str(alice.pk))
    assert response.status_code == 200
    errors = response.context["adminform"].form.errors["spec"]
    assert [error[: len(start)] for error, start in zip(errors, told, strict=True)] == told
    assert not Strategy.objects.exists()


@pytest.mark.parametrize(
    ("action", "enabled", "gone"), [("switch_off", False, False), ("delete_for_good", False, True)]
)
def test_strategies_are_stopped_in_the_list(
    admin_page: Client, alice: User, action: str, enabled: bool, gone: bool
) -> None:
    made = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
    admin_page.post(reverse(LIST), {"action": action, "_selected_action": [str(made.id)]})
    row = Strategy.objects.get()
    assert (row.enabled, row.deleted_at is not None) == (enabled, gone)


def test_decisions_are_found_by_their_reason(admin_page: Client, alice: User) -> None:
    services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
    dispatch([heard(confidence=0.3), heard()])
    url = reverse("admin:strategies_match_changelist")
    assert "confidence 0.30 is under 0.6" in admin_page.get(url, {"reason__exact": "confidence"}).content.decode()
    assert "confidence 0.30" not in admin_page.get(url, {"matched__exact": "1"}).content.decode()
    match = Match.objects.get(matched=True)
    assert match.pair in admin_page.get(reverse("admin:strategies_match_change", args=[match.pk])).content.decode()


def test_a_cool_down_can_be_ended(admin_page: Client, alice: User) -> None:
    made = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
    held = Cooldown.objects.create(strategy_id=made.id, coin="BTC", until=timezone.now())
    assert "BTC" in admin_page.get(reverse("admin:strategies_cooldown_changelist")).content.decode()
    admin_page.post(reverse("admin:strategies_cooldown_delete", args=[held.pk]), {"post": "yes"})
    assert not Cooldown.objects.exists()
