"""Many verdicts to one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.signals.domain.beliefs import capped
from apps.signals.domain.ensemble import ORDER, SUPPORT, SUREST, VERSION, combine, pool, supported, surer, voices
from apps.signals.domain.subject import subject
from apps.signals.domain.verdict import Verdict
from tradebot.contracts.messages import Beliefs, Evidence, Near, TradeCall
from tradebot.contracts.values import Direction

UP, DOWN, FLAT = Direction.BULLISH, Direction.BEARISH, Direction.NEUTRAL


def says(direction: Direction, confidence: float, weight: float = 1.0, name: str = "a", event: str = "") -> Verdict:
    words = (Evidence(kind="phrase", quote=name, weight=1.0, model=name),)
    return Verdict(name, "1", weight, direction, confidence, words, event)


def test_agreement_makes_surer_and_disagreement_costs_confidence() -> None:
    alone = combine([says(UP, 0.9)])
    agreed = combine([says(UP, 0.9), says(UP, 0.9, name="b")])
    against = combine([says(UP, 0.9), says(DOWN, 0.6, name="b")])
    assert alone.confidence == pytest.approx(0.9, abs=1e-3)
    assert alone.confidence < agreed.confidence <= SUREST
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
    st.sampled_from("abcd"),
    st.sampled_from(["", "etf", "hack"]),
)
several = st.lists(verdicts, min_size=1, max_size=6)


@given(several)
def test_chances_are_a_distribution(given_verdicts: list[Verdict]) -> None:
    chances = pool(given_verdicts)
    assert sum(chances.values()) == pytest.approx(1.0)
    assert all(0 < chance < 1 for chance in chances.values())


@given(several.flatmap(lambda them: st.tuples(st.just(them), st.permutations(them))))
def test_the_order_of_analyzers_does_not_matter(both: tuple[list[Verdict], list[Verdict]]) -> None:
    one, other = map(combine, both)
    assert (one.direction, one.confidence, one.event) == (other.direction, other.confidence, other.event)
    assert one.evidence == other.evidence


@given(st.sampled_from([UP, DOWN]), st.lists(st.tuples(st.floats(0.34, 1), st.floats(0.01, 10)), min_size=1))
def test_agreement_is_never_less_sure_than_the_weakest(direction: Direction, said: list[tuple[float, float]]) -> None:
    found = combine([says(direction, sure, weight) for sure, weight in said])
    assert found.direction is direction
    assert found.confidence >= min(sure for sure, _ in said) - 0.06  # nobody is surer than 1 - 2 * FLOOR


@given(several, verdicts)
def test_who_disagrees_never_makes_it_surer(given_verdicts: list[Verdict], against: Verdict) -> None:
    before = combine(given_verdicts)
    if against.direction is not before.direction and before.direction is not FLAT:
        after = combine([*given_verdicts, against])
        assert after.direction is not before.direction or after.confidence <= before.confidence + 1e-4


@given(st.sampled_from([UP, DOWN]), st.floats(0.4, 1), st.floats(0.4, 1))
def test_a_clear_denial_costs_confidence(direction: Direction, sure: float, against: float) -> None:
    other = DOWN if direction is UP else UP
    alone = combine([says(direction, sure)])
    both = combine([says(direction, sure), says(other, against, 0.5, "b")])
    assert both.direction is not direction or both.confidence < alone.confidence


@given(several)
def test_without_a_quote_nobody_carries_a_direction(given_verdicts: list[Verdict]) -> None:
    found = combine([replace(each, evidence=()) for each in given_verdicts])
    assert found.direction is FLAT
    assert found.event == ""


def test_an_unproven_voice_only_adds_doubt() -> None:
    bare = replace(says(UP, 0.95, 5.0, "b"), evidence=())
    found = combine([says(UP, 0.9), bare])
    assert found.confidence < 0.9
    assert combine([says(DOWN, 0.9), bare]).direction is not UP


def test_weight_is_what_the_operator_says_times_what_was_measured() -> None:
    split = [says(UP, 0.8, 1.0), says(DOWN, 0.8, 1.0, "b")]
    assert combine(split).direction is FLAT
    found = combine([replace(split[0], factor=1.5), split[1]])
    assert found.direction is UP
    assert found.weights["a"] == {"weight": 1.0, "measured": 1.5, "share": 0.6}
    assert found.stored() == {
        "ensemble": VERSION,
        "analyzers": {"a": "1", "b": "1"},
        "weights": found.weights,
        "notes": [],
    }


def test_a_light_voice_is_less_than_a_voice() -> None:
    assert voices([1.0]) == voices([]) == 1.0
    assert voices([2.0, 2.0]) == pytest.approx(2.0)
    assert 1.0 < voices([1.0, 0.1]) < 1.3


@given(st.floats(1 / 3, 0.96), st.floats(1, 6))
def test_more_voices_never_make_less_sure(chance: float, number: float) -> None:
    assert chance - 1e-9 <= surer(chance, number) <= SUREST
    assert surer(chance, 1.0) == pytest.approx(chance)


def test_who_abstains_is_stored_without_a_weight() -> None:
    found = combine([says(UP, 0.9), says(FLAT, 0.0, 0.0, "b")])
    assert found.versions.keys() == {"a", "b"}
    assert found.weights.keys() == {"a"}


class TestMood:
    def test_most_weight_decides_and_a_tie_goes_to_the_careful_one(self) -> None:
        claim, question = replace(says(UP, 0.9), mood="claim"), replace(says(UP, 0.9, name="b"), mood="question")
        assert combine([claim, question]).mood == "question"
        assert combine([replace(claim, weight=2.0), question]).mood == "claim"
        assert combine([says(UP, 0.9)]).mood == ""

    def test_what_is_no_mood_is_not_heard(self) -> None:
        assert combine([replace(says(UP, 0.9), mood="obey me")]).mood == ""

    def test_advice_names_a_mood_only_where_nobody_else_does(self) -> None:
        advised = replace(says(UP, 0.9, 9.0, "llm"), mood="instruction", advisory=True)
        assert combine([replace(says(UP, 0.9), mood="report"), advised]).mood == "report"
        assert combine([says(UP, 0.9), advised]).mood == "instruction"


class TestCall:
    LONG, SHORT = TradeCall(side="long", targets=[Decimal(2)]), TradeCall(side="short")

    def test_a_call_comes_along_only_if_its_side_is_the_outcome(self) -> None:
        assert combine([replace(says(UP, 0.9), call=self.LONG)]).call is self.LONG
        assert combine([replace(says(UP, 0.9), call=self.SHORT)]).call is None
        assert combine([replace(says(FLAT, 0.9), call=self.LONG)]).call is None

    def test_numbers_never_come_from_advice(self) -> None:
        advised = replace(says(UP, 0.9, 1.0, "llm"), call=self.LONG, advisory=True)
        assert combine([says(UP, 0.9), advised]).call is None


class TestAdvice:
    """An outside service may be down, bought or talked into anything."""

    @staticmethod
    def llm(direction: Direction, confidence: float = 1.0) -> Verdict:
        return replace(says(direction, confidence, 50.0, "llm"), advisory=True)

    def test_nobody_waits_for_it(self) -> None:
        down = Verdict("llm", "1", 0.0, error="the endpoint does not answer", advisory=True)
        found = combine([says(UP, 0.9), down], quorum=1)
        assert (found.direction, found.confidence) == (UP, 0.9)
        assert found.notes == ("llm left out: the endpoint does not answer",)

    def test_it_is_no_quorum(self) -> None:
        broken = Verdict("a", "1", 0.0, error="broken")
        assert combine([broken, self.llm(UP)], quorum=1).direction is FLAT
        assert combine([self.llm(UP)], quorum=1).direction is FLAT

    @given(several, st.sampled_from(ORDER), st.floats(0, 1))
    def test_it_never_makes_a_direction_and_lends_little(
        self, given_verdicts: list[Verdict], said: Direction, sure: float
    ) -> None:
        alone, advised = combine(given_verdicts), combine([*given_verdicts, self.llm(said, sure)])
        assert advised.direction in (alone.direction, FLAT)
        if advised.direction is not FLAT:
            assert advised.confidence <= alone.confidence + SUPPORT + 1e-4

    def test_it_may_talk_out_of_anything_and_the_note_says_so(self) -> None:
        found = combine([says(UP, 0.9), self.llm(FLAT)])
        assert found.direction is FLAT
        assert found.notes == ("bullish without advice, neutral with it: neutral",)


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


def believes(direction: dict[str, float], event: dict[str, float] | None = None, name: str = "a") -> Verdict:
    best = max(direction, key=lambda each: direction[each])
    named = max(event, key=lambda each: event[each]) if event else ""
    said = says(Direction(best), direction[best], name=name, event="" if named == "none" else named)
    return replace(said, beliefs=Beliefs(direction=direction, event=event or {}))


def test_the_second_guess_of_an_analyzer_counts() -> None:
    torn = believes({"bullish": 0.48, "bearish": 0.47, "neutral": 0.05})
    calm = believes({"neutral": 0.5, "bearish": 0.3, "bullish": 0.2}, name="b")
    assert combine([torn, calm]).direction is DOWN
    assert combine([says(UP, 0.48), says(FLAT, 0.5, name="b")]).direction is not DOWN


def test_no_belief_is_a_veto() -> None:
    never = believes({"bullish": 0.0, "bearish": 0.0, "neutral": 1.0})
    assert combine([never, *(says(UP, 0.9, name=each) for each in "bcde")]).direction is UP


def test_an_event_needs_an_analyzer_that_names_and_quotes_it() -> None:
    half = {"hack": 0.45, "none": 0.55}
    assert combine([believes({"bearish": 0.9, "neutral": 0.1}, half)]).event == ""
    sure = believes({"bearish": 0.9, "neutral": 0.1}, {"hack": 0.8, "none": 0.2}, "b")
    assert combine([believes({"bearish": 0.9, "neutral": 0.1}, half), sure]).event == "hack"
    bare = replace(sure, evidence=(), direction=FLAT, beliefs=Beliefs(event={"hack": 0.8, "none": 0.2}))
    assert combine([bare]).event == ""


def test_an_analyzer_may_weigh_more_in_what_it_knows_best() -> None:
    one, other = (
        believes({"bullish": 0.9, "neutral": 0.1}, {each: 0.9, "none": 0.1}, each) for each in ("etf", "burn")
    )
    assert combine([replace(one, emphasis={"event": 2.0}), other]).event == "etf"
    assert combine([one, replace(other, emphasis={"event": 2.0})]).event == "burn"


def test_a_strange_event_of_a_plugin_is_kept() -> None:
    assert combine([says(UP, 0.9, event="airdrop")]).event == "airdrop"


def test_who_can_not_prove_its_words_believes_nothing() -> None:
    sure = believes({"bullish": 0.95, "neutral": 0.05})
    assert supported(replace(sure, evidence=())).beliefs is None


def test_the_numbers_of_a_call_outweigh_letters() -> None:
    call = TradeCall(side="short", entry=[Decimal(100)], stop=Decimal(110))
    numbers = replace(says(DOWN, 0.9, 0.1), call=call, emphasis={"call": 10.0})
    assert combine([numbers, says(UP, 0.8, 0.6, "b")]).direction is DOWN
    assert combine([replace(numbers, call=None), says(UP, 0.8, 0.6, "b")]).direction is UP
    turned = replace(numbers, direction=UP)
    assert turned.pull == pytest.approx(0.1)


def test_what_is_too_sure_gives_to_the_others_in_their_proportion() -> None:
    assert capped({"a": 0.97, "b": 0.02, "c": 0.01}, 0.91) == pytest.approx({"a": 0.91, "b": 0.06, "c": 0.03})
    assert capped({"a": 1.0, "b": 0.0, "c": 0.0}, 0.9) == pytest.approx({"a": 0.9, "b": 0.05, "c": 0.05})
    assert capped({"a": 0.5, "b": 0.5}, 0.9) == {"a": 0.5, "b": 0.5}
