"""Saving strategies and forgetting old decisions, below the API."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.strategies import selectors, services
from apps.strategies.models import Cooldown, Match, Strategy, StrategyVersion
from apps.strategies.services import Decision
from tests.apps.strategies.conftest import a_trader
from tests.unit.strategies.factories import DESIGN_EXAMPLE

pytestmark = pytest.mark.django_db


def test_a_version_is_there_once(alice: User) -> None:
    made = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
    with pytest.raises(IntegrityError), transaction.atomic():
        StrategyVersion.objects.create(strategy_id=made.id, number=1, spec={})


def test_a_decision_that_is_recorded_stays_as_it_was(alice: User) -> None:
    made = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
    first = Decision(made.id, uuid4(), 1, "confidence", "too low")
    services.record_matches([first], timezone.now())
    services.record_matches([Decision(made.id, first.signal_id, 2, "", "now it matches", "BTC")], timezone.now())
    told = selectors.decision(made.id, first.signal_id)
    assert told is not None
    assert (told.version, told.matched, told.reason, told.detail) == (1, False, "confidence", "too low")


def test_names_outlive_their_strategies(alice: User) -> None:
    made = services.create(user_id=alice.pk, raw={**DESIGN_EXAMPLE, "name": "merge rider"})
    services.delete(strategy_id=made.id)
    assert selectors.names([made.id]) == {made.id: "merge rider"}
    assert selectors.strategy(made.id) is None


def test_what_is_older_than_asked_for_is_forgotten(alice: User) -> None:
    made, now = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE), timezone.now()
    for age, reason in ((timedelta(days=2), "age"), (timedelta(0), "confidence")):
        services.record_matches([Decision(made.id, uuid4(), 1, reason, "told")], now - age)
        Cooldown.objects.create(strategy_id=made.id, coin=reason, until=now - age)
    assert services.prune(before=now - timedelta(days=1)) == 2
    assert Match.objects.get().reason == "confidence"
    assert Cooldown.objects.get().coin == "confidence"


@pytest.mark.django_db(transaction=True)
def test_edits_at_the_same_moment_are_all_kept() -> None:
    user = a_trader("carol")
    made = services.create(user_id=user.pk, raw=DESIGN_EXAMPLE)
    start = Barrier(4)

    def edit(number: int) -> None:
        start.wait(timeout=30)
        changes = {"watch_list": {"coins": [f"COIN{number}"]}}
        services.update(strategy_id=made.id, changes=changes, author_id=user.pk)
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(edit, range(4), timeout=60))
    assert Strategy.objects.get().version == 5
    assert sorted(StrategyVersion.objects.values_list("number", flat=True)) == [1, 2, 3, 4, 5]
