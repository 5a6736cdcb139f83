"""Many verdicts to one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.signals.domain.ensemble import ORDER, combine, pool
from apps.signals.domain.subject import subject
from apps.signals.domain.verdict import Verdict
from tradebot.contracts.messages import Evidence, Near
from tradebot.contracts.values import Direction

UP, DOWN, FLAT = Direction.BULLISH, Direction.BEARISH, Direction.NEUTRAL


def says(direction: Direction, confidence: float, weight: float = 1.0, name: str = "a", event: str = "") -> Verdict:
    words = (Evidence(kind="phrase", quote=name, weight=1.0, model=name),)
    return Verdict(name, "1", weight, direction, confidence, words, event)


def test_agreement_keeps_confidence_and_disagreement_costs_it() -> None:
    alone = combine([says(UP, 0.9)])
    agreed = combine([says(UP, 0.9), says(UP, 0.9, name="b")])
    against = combine([says(UP, 0.9), says(DOWN, 0.6, name="b")])
    assert agreed.confidence == pytest.approx(alone.confidence, abs=1e-3)
    assert against.direction is UP
    assert against.confidence < 0.7


def test_the_heavier_analyzer_wins() -> None:
    assert combine([says(UP, 0.8, 3.0), says(DOWN, 0.8, 1.0, "b")]).direction is UP
    assert combine([says(UP, 0.8, 1.0), says(DOWN, 0.8, 3.0, "b")]).direction is DOWN


def test_only_who_agrees_is_quoted() -> None:
    assert [each.quote for each in combine([says(UP, 0.9), says(DOWN, 0.5, 0.2, "b")]).evidence] == ["a"]


def test_a_failed_analyzer_is_left_out_with_a_note() -> None:
    broken = Verdict("b", "1", 0.0, error="no answer in time")
    found = combine([says(UP, 0.9), broken])
    assert found.confidence == pytest.approx(0.9, abs=0.01)
    assert found.notes == ("b left out: no answer in time",)
    assert found.versions == {"a": "1"}


def test_too_few_answers_are_no_signal() -> None:
    found = combine([says(UP, 0.9), Verdict("b", "1", 0.0, error="broken")], quorum=2)
    assert (found.direction, found.confidence, found.evidence) == (FLAT, 0.0, ())
    assert "1 of 2" in found.notes[-1]


def test_who_abstains_answers_without_a_vote() -> None:
    found = combine([says(UP, 0.9), says(FLAT, 0.0, 0.0, "b")], quorum=2)
    assert found.direction is UP
    assert found.confidence == pytest.approx(0.9, abs=0.01)


def test_nobody_there_is_no_signal() -> None:
    assert combine([]).direction is FLAT


def test_the_event_comes_from_the_surest() -> None:
    assert combine([says(UP, 0.9, 1.0, "a", "etf"), says(UP, 0.5, 1.0, "b", "hack")]).event == "etf"


verdicts = st.builds(
    says,
    st.sampled_from(ORDER),
    st.floats(0.001, 1.0),
    st.floats(0.01, 10.0),
)


@given(st.lists(verdicts, min_size=1, max_size=6))
def test_chances_are_a_distribution_and_order_does_not_matter(given_verdicts: list[Verdict]) -> None:
    chances = pool(given_verdicts)
    assert sum(chances.values()) == pytest.approx(1.0)
    assert all(0 < chance < 1 for chance in chances.values())
    assert pool(given_verdicts[::-1]) == pytest.approx(chances)


def near(*found: tuple[str, float]) -> list[Near]:
    return [Near(coin=coin, similarity=similarity) for coin, similarity in found]


@pytest.mark.parametrize(
    ("tickers", "nearest", "coins"),
    [
        (["BTC", "ETH"], near(("DOGE", 0.99)), ("BTC", "ETH")),
        (["SOL", "USDC"], [], ("SOL",)),
        (["USDC"], [], ("USDC",)),
        ([], near(("DOGE", 0.7), ("SHIB", 0.5)), ("DOGE",)),
        ([], near(("DOGE", 0.7), ("SHIB", 0.68)), ()),
        ([], near(("DOGE", 0.4), ("SHIB", 0.1)), ()),
        ([], [], ()),
    ],
)
def test_the_subject_is_what_is_named_or_clearly_meant(
    tickers: list[str], nearest: list[Near], coins: tuple[str, ...]
) -> None:
    assert subject("a text", tickers, nearest) == coins


@pytest.mark.parametrize("text", ["$ZORBLAX to the moon", "BTС to the moon", "Βitcoin halving"])
def test_an_unknown_or_false_name_is_not_guessed_by_meaning(text: str) -> None:
    assert subject(text, [], near(("BTC", 0.9), ("ETH", 0.1))) == ()
