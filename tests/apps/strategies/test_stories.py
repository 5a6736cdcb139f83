"""One event, one trade: of the posts that tell a story a strategy acts on one, and a shadow orders nothing real."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.signals.models import Signal
from apps.signals.models_clusters import Cluster
from apps.strategies import services
from apps.strategies.adapters.cache import hot
from apps.strategies.models import Cooldown, Match
from tests.apps.strategies.conftest import a_trader
from tests.apps.strategies.test_dispatch import heard, reasons, together
from tests.unit.strategies.factories import ANYTHING
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.messages import AnalysisSignal
from tradebot.contracts.values import Action, Mode
from workers.dispatch import dispatch

pytestmark = pytest.mark.django_db
EAGER = {**ANYTHING, "cooldown_minutes": 0}


@pytest.fixture(autouse=True)
def _own_cache() -> Iterator[None]:
    hot.cache_clear()
    yield
    hot.cache_clear()


def a_story(direction: str = "bullish") -> Cluster:
    return Cluster.objects.create(type=direction, coins=["BTC"], opened_at=timezone.now())


def told(story: Cluster, shadow: str = "", **changes: Any) -> AnalysisSignal:
    """The signal of one more post of a story."""
    signal = heard(**{"type": story.type, **changes, "cluster_id": str(story.pk), "shadow": shadow})
    Signal.objects.filter(pk=signal.signal_id).update(cluster=story, shadow=shadow)
    return signal


def test_a_strategy_acts_on_a_story_once(alice: User) -> None:
    strategy = services.create(user_id=alice.pk, raw=EAGER)
    story = a_story()
    assert len(dispatch([told(story)])) == 1
    assert dispatch([told(story), told(story)]) == []
    assert reasons(strategy.id) == ["", "story", "story"]


def test_of_two_posts_in_one_batch_one_acts(alice: User) -> None:
    strategy = services.create(user_id=alice.pk, raw=EAGER)
    story = a_story()
    assert len(dispatch([told(story), told(story), told(a_story())])) == 2
    assert sorted(reasons(strategy.id)) == ["", "", "story"]


def test_another_strategy_acts_on_the_same_story(alice: User) -> None:
    services.create(user_id=alice.pk, raw=EAGER)
    story = a_story()
    dispatch([told(story)])
    late = services.create(user_id=alice.pk, raw=EAGER)
    assert [command.strategy_id for command in dispatch([told(story)])] == [str(late.id)]


def test_what_corroboration_lifts_over_the_threshold_acts_once(alice: User) -> None:
    strategy = services.create(user_id=alice.pk, raw={**EAGER, "min_confidence": 0.6})
    story = a_story()
    given = [len(dispatch([told(story, confidence=confidence)])) for confidence in (0.55, 0.66, 0.7)]
    assert given == [0, 1, 0]
    assert reasons(strategy.id) == ["confidence", "", "story"]


def test_a_delivery_that_comes_again_gives_its_command_again(alice: User) -> None:
    services.create(user_id=alice.pk, raw=EAGER)
    signal = told(a_story())
    assert dispatch([signal]) == dispatch([signal]) != []


def test_the_opposite_story_gets_through(alice: User) -> None:
    services.create(user_id=alice.pk, raw=EAGER)
    dispatch([told(a_story())])
    (sale,) = dispatch([told(a_story("bearish"))])
    assert sale.action is Action.SELL


class TestAnExit:
    def test_is_made_once_a_story(self, alice: User) -> None:
        services.create(user_id=alice.pk, raw=EAGER)
        story = a_story("bearish")
        assert [len(dispatch([told(story)])) for _ in range(2)] == [1, 0]

    def test_is_made_again_after_the_coin_was_bought_again(self, alice: User) -> None:
        services.create(user_id=alice.pk, raw=EAGER)
        bad, good = a_story("bearish"), a_story()
        assert [len(dispatch([told(story)])) for story in (bad, good, bad, bad)] == [1, 1, 1, 0]

    def test_is_not_made_again_after_another_coin_was_bought(self, alice: User) -> None:
        services.create(user_id=alice.pk, raw=EAGER)
        bad = a_story("bearish")
        assert len(dispatch([told(bad)])) == 1
        assert len(dispatch([heard(coins=["ETH"])])) == 1
        assert dispatch([told(bad)]) == []


class TestAShadow:
    why = "looks manipulated (0.80 of 0.6): 5 young accounts spread the same text"

    @pytest.mark.parametrize("direction", ["bullish", "bearish"])
    def test_gives_a_command_that_orders_nothing_and_says_why(self, alice: User, direction: str) -> None:
        services.create(user_id=alice.pk, raw=EAGER)
        (command,) = dispatch([told(a_story(direction), self.why)])
        assert command.mode is Mode.SHADOW
        assert self.why in Match.objects.get().detail

    def test_is_no_act_and_takes_no_cool_down(self, alice: User) -> None:
        strategy = services.create(user_id=alice.pk, raw=ANYTHING)
        story = a_story()
        dispatch([told(story, self.why)])
        assert not Cooldown.objects.exists()
        (command,) = dispatch([told(story)])
        assert command.mode is Mode.PAPER
        assert reasons(strategy.id) == ["", ""]

    def test_beside_an_honest_post_of_its_batch_leaves_that_alone(self, alice: User) -> None:
        services.create(user_id=alice.pk, raw=ANYTHING)
        story = a_story()
        commands = dispatch([told(story, self.why), told(story), told(a_story(), coins=["ETH"])])
        assert [(command.pair, command.mode) for command in commands] == [
            ("BTC/USDT", Mode.SHADOW),
            ("BTC/USDT", Mode.PAPER),
            ("ETH/USDT", Mode.PAPER),
        ]

    def test_of_a_purchase_is_no_reason_to_sell_again(self, alice: User) -> None:
        services.create(user_id=alice.pk, raw=EAGER)
        bad = a_story("bearish")
        dispatch([told(bad)])
        dispatch([told(a_story(), self.why)])
        assert dispatch([told(bad)]) == []


def test_a_story_that_nobody_can_name_is_refused(alice: User) -> None:
    services.create(user_id=alice.pk, raw=EAGER)
    with pytest.raises(InvalidField, match="cluster_id"):
        dispatch([heard(cluster_id="story_17")])


@pytest.mark.django_db(transaction=True)
def test_of_posts_dispatched_at_the_same_moment_one_acts() -> None:
    strategy = services.create(user_id=a_trader("carol").pk, raw=EAGER)
    story = a_story()
    signals = [told(story) for _ in range(4)]
    given = together([lambda signal=signal: dispatch([signal]) for signal in signals])  # type: ignore[misc]
    assert sum(map(len, given)) == 1
    assert sorted(reasons(strategy.id)) == ["", "story", "story", "story"]
    assert {UUID(signal.cluster_id) for signal in signals} == {story.pk} != {uuid4()}
