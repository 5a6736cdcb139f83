"""The trade command that a match gives, and which coin it is about when some cool down."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from apps.strategies.domain import orders
from apps.strategies.domain.cooling import Claim, settle
from apps.strategies.domain.matching import ActiveStrategy, Matched, match
from tests.unit.strategies.factories import (
    ACCOUNT,
    ALICE,
    ANYTHING,
    DESIGN_EXAMPLE,
    NOON,
    SIGNAL,
    STRATEGY,
    a_post,
    a_signal,
    a_strategy,
    surroundings,
)
from tradebot.contracts.ids import stable_id
from tradebot.contracts.messages import TradeCommand, from_wire, to_wire
from tradebot.contracts.values import Action, Direction, Mode


def matched(strategy: ActiveStrategy, **signal: Any) -> Matched:
    verdict = match(strategy, a_signal(**signal), a_post(), surroundings())
    assert isinstance(verdict, Matched)
    return verdict


def command(strategy: ActiveStrategy, **signal: Any) -> TradeCommand:
    return orders.command(strategy, a_signal(**signal), a_post(), matched(strategy, **signal), "BTC")


def conditions(order: TradeCommand) -> dict[str, str]:
    return {str(term.kind): term.value for term in order.conditions}


class TestCommand:
    def test_says_what_the_strategy_says(self) -> None:
        order = command(a_strategy(DESIGN_EXAMPLE))
        assert (order.action, order.pair, order.amount_type, order.amount) == (Action.BUY, "BTC/USDT", "percentage", 30)
        assert (order.user_id, order.strategy_id, order.signal_id) == (str(ALICE), str(STRATEGY), SIGNAL)
        assert (order.credential_id, order.exchange, order.mode) == (str(ACCOUNT), "paper", Mode.PAPER)
        assert conditions(order) == {"max_amount": "5000"}

    def test_of_a_bearish_signal_protects_what_remains(self) -> None:
        order = command(a_strategy(DESIGN_EXAMPLE), type=Direction.BEARISH)
        assert (order.action, order.amount, conditions(order)) == (Action.SELL, 50, {"stop_loss": "10"})

    def test_carries_every_term(self) -> None:
        terms = {"percentage": "2.50", "stop_loss": 5, "take_profit": 20, "trailing_stop": 3, "order_type": "limit"}
        order = command(a_strategy({"actions": {"bullish": terms}}))
        assert conditions(order) == {
            "stop_loss": "5",
            "take_profit": "20",
            "trailing_stop": "3",
            "order_type": "limit",
        }

    def test_expires_when_the_post_is_too_old(self) -> None:
        assert command(a_strategy(max_signal_age=60)).expires_at == NOON + timedelta(seconds=60)

    def test_descends_from_the_signal(self) -> None:
        stages = {"analyze": (NOON, NOON)}
        order = command(a_strategy(), id="message", root_id="origin", stages=stages)
        assert (order.parent_id, order.root_id, order.seen_at, order.stages) == ("message", "origin", NOON, stages)

    def test_has_the_id_of_its_strategy_signal_and_leg_whatever_the_version(self) -> None:
        assert command(a_strategy()).id == str(stable_id("command", STRATEGY, SIGNAL, "entry"))
        assert command(a_strategy(min_confidence=0.1)).id == command(a_strategy()).id
        assert command(a_strategy(), type=Direction.BEARISH).id == str(stable_id("command", STRATEGY, SIGNAL, "exit"))

    def test_survives_the_wire(self) -> None:
        order = command(a_strategy(DESIGN_EXAMPLE))
        assert from_wire(TradeCommand, to_wire(order)) == order

    def test_is_told_in_a_sentence(self) -> None:
        strategy = a_strategy(DESIGN_EXAMPLE)
        assert orders.sentence(a_signal(), command(strategy)) == (
            "bullish 0.92 from twitter:elonmusk: buy BTC/USDT with 30 % of free USDT, max_amount 5000"
        )
        assert orders.sentence(a_signal(type=Direction.BEARISH), command(strategy, type=Direction.BEARISH)) == (
            "bearish 0.92 from twitter:elonmusk: sell BTC/USDT 50 % of the bot's BTC, stop_loss 10"
        )


class Coolness:
    """Coins that cool down at first; remembers what it was asked."""

    def __init__(self, *cooling: str) -> None:
        self.cooling = set(cooling)
        self.rounds: list[list[str]] = []

    def claim(self, claims: Sequence[Claim]) -> set[tuple[UUID, str]]:
        self.rounds.append([claim.coin for claim in claims])
        free = {(claim.strategy_id, claim.coin) for claim in claims if claim.coin not in self.cooling}
        self.cooling |= {coin for _, coin in free}
        return free


class TestCoolDown:
    def settled(self, coolness: Coolness, *coins: list[str], **spec: Any) -> list[str | None]:
        strategy = a_strategy(ANYTHING, **spec)
        return settle([(strategy, matched(strategy, coins=each)) for each in coins], NOON, coolness.claim)

    def test_a_free_coin_is_taken(self) -> None:
        assert self.settled(Coolness(), ["BTC", "ETH"]) == ["BTC"]

    def test_the_next_coin_is_taken_where_the_first_cools_down(self) -> None:
        assert self.settled(Coolness("BTC"), ["BTC", "ETH"]) == ["ETH"]

    def test_nothing_is_taken_where_all_cool_down(self) -> None:
        assert self.settled(Coolness("BTC", "ETH"), ["BTC", "ETH"], ["BTC"]) == [None, None]

    def test_a_coin_is_taken_once_in_a_batch(self) -> None:
        coolness = Coolness()
        assert self.settled(coolness, ["BTC"], ["BTC", "ETH"], ["ETH"]) == ["BTC", "ETH", None]
        assert coolness.rounds == [["BTC", "ETH"]]

    def test_strategies_cool_down_each_for_itself(self) -> None:
        one, other = a_strategy(), a_strategy(strategy_id=UUID(int=9))
        claimed = settle(
            [(one, matched(one)), (other, matched(other))],
            NOON,
            lambda claims: {(claim.strategy_id, claim.coin) for claim in claims},
        )
        assert claimed == ["BTC", "BTC"]

    def test_lasts_as_long_as_the_strategy_says(self) -> None:
        asked: list[Claim] = []
        strategy = a_strategy(cooldown_minutes=30)
        settle([(strategy, matched(strategy))], NOON, lambda claims: asked.extend(claims) or set())
        assert asked == [Claim(STRATEGY, "BTC", NOON + timedelta(minutes=30))]

    def test_of_zero_minutes_asks_nobody(self) -> None:
        coolness = Coolness("BTC")
        assert self.settled(coolness, ["BTC"], ["BTC"], cooldown_minutes=0) == ["BTC", "BTC"]
        assert coolness.rounds == []
