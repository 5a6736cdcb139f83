"""Which posts tell one story, and how much surer it makes us."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.signals.domain.clusters import (
    CEILING,
    MOST_SUPPORT,
    Member,
    Placed,
    Telling,
    is_copy,
    place,
    raised,
    shared,
    sketch,
    telling,
    tells_the_same,
)
from tradebot.contracts.values import Direction

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = timedelta(minutes=30)


def towards(angle: float) -> Any:
    """A unit vector whose cosine to the first axis is `angle`."""
    vector = np.zeros(384, np.float32)
    vector[0], vector[1] = angle, (1 - angle**2) ** 0.5
    return vector


def tells(text: str, voice: str = "x:one", angle: float = 1.0, minutes: float = 0, **changes: Any) -> Telling:
    fields: dict[str, Any] = {
        "direction": Direction.BULLISH,
        "coins": ("PEPE",),
        "event": "listing",
        "confidence": 0.7,
    }
    at = NOON + timedelta(minutes=minutes)
    return telling(uuid4(), voice=voice, at=at, text=text, vector=towards(angle), **{**fields, **changes})


def story(*tellings: Telling, window: timedelta = WINDOW) -> list[Placed]:
    """Each told after the other."""
    members: list[Member] = []
    found = []
    for told in tellings:
        placed = place(told, members, window)
        members.append(placed.member)
        found.append(placed)
    return found


def clusters(placed: list[Placed]) -> list[UUID]:
    return [each.member.cluster_id for each in placed]


ONE = "Binance will list PEPE"
OTHER = "Pepe (PEPE) gets its spot pair tomorrow, the exchange says in a notice"


def test_reports_of_one_event_are_one_story() -> None:
    first, second = story(tells(ONE), tells(OTHER, "x:two", 0.6, minutes=20))
    assert first.member.cluster_id == second.member.cluster_id
    assert (first.joined, second.joined) == (False, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"direction": Direction.BEARISH},
        {"coins": ("DOGE",)},
        {"owner_id": uuid4()},
        {"minutes": 31},
        {"angle": 0.3},
        {"event": "partnership"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_direction_coin_owner_time_or_matter_is_another_story(changes: dict[str, Any]) -> None:
    first, second = clusters(story(tells(ONE), tells(OTHER, "x:two", **{"angle": 0.6, **changes})))
    assert first != second


def test_a_post_older_than_the_first_one_joins_it_too() -> None:
    first, second = clusters(story(tells(ONE), tells(OTHER, "x:two", 0.6, minutes=-5)))
    assert first == second


def test_without_a_window_every_post_is_its_own_story() -> None:
    first, second = clusters(story(tells(ONE), tells(ONE, "x:two"), window=timedelta(0)))
    assert first != second


def test_the_same_post_again_keeps_its_place() -> None:
    first = tells(ONE)
    placed = story(first, tells(OTHER, "x:two", 0.6))
    again = place(first, [each.member for each in placed], WINDOW)
    assert again.member.cluster_id == placed[0].member.cluster_id


def test_of_two_stories_that_fit_the_older_one_takes_the_post() -> None:
    older, newer = tells(ONE, minutes=1), tells("other words altogether", "x:two", -0.2, minutes=2)
    members = [each.member for each in story(newer, older)]
    assert len({each.cluster_id for each in members}) == 2
    late = place(tells(OTHER, "x:three", 0.6, minutes=3), members, WINDOW)
    assert late.member.cluster_id == members[1].cluster_id


class TestSpeakingAgain:
    """One voice, twice."""

    call = "SOL breakout confirmed, strong buy, target {}"

    def again(self, number: int, voice: str = "x:one", event: str = "") -> list[UUID]:
        given_twice = (tells(self.call.format(300), event=event), tells(self.call.format(number), voice, event=event))
        return clusters(story(*given_twice))

    def test_the_same_words_are_the_same_story(self) -> None:
        assert len(set(self.again(300))) == 1

    def test_other_numbers_are_a_new_instruction(self) -> None:
        assert len(set(self.again(320))) == 2
        assert len(set(self.again(320, event="trade_call"))) == 2

    def test_other_numbers_by_somebody_else_are_the_same_story(self) -> None:
        assert len(set(self.again(320, voice="x:two"))) == 1

    def test_other_numbers_are_new_even_where_somebody_else_said_the_same_before(self) -> None:
        told = (tells(self.call.format(number), voice, event="") for number, voice in ((1, "x:two"), (2, "x:one")))
        other, mine, update = clusters(story(*told, tells(self.call.format(3), "x:one", event="")))
        assert other == mine != update

    def test_news_with_other_numbers_stay_the_same_news(self) -> None:
        assert len(set(self.again(320, event="hack"))) == 1


def test_two_peoples_trade_calls_of_one_coin_are_two_stories_unless_one_copies_the_other() -> None:
    mine = tells("PEPE long 10-12 stop 9 target 15", event="trade_call")
    yours = tells("bought pepe at support, sl under the lows", "x:two", 0.6, event="trade_call")
    assert not tells_the_same(mine, yours)
    assert tells_the_same(mine, tells("PEPE long 10-12 stop 9 target 15 🚀", "x:two", 0.99, event="trade_call"))


class TestSupport:
    def test_an_independent_voice_makes_surer(self) -> None:
        _, second = story(tells(ONE, confidence=0.55), tells(OTHER, "x:two", 0.6, confidence=0.55))
        assert second.confidence > 0.6
        assert second.support == {"x:one": 0.55}

    @pytest.mark.parametrize(
        ("text", "voice", "angle"),
        [(ONE + "!!", "x:two", 0.99), (ONE + " https://t.co/x @you", "x:two", 0.5), (OTHER, "x:one", 0.6)],
        ids=["in nearly the same words", "with a link", "the same voice again"],
    )
    def test_a_copy_or_the_same_voice_does_not(self, text: str, voice: str, angle: float) -> None:
        _, second = story(tells(ONE, confidence=0.55), tells(text, voice, angle, confidence=0.55))
        assert (second.joined, second.confidence, second.support) == (True, 0.55, {})

    def test_a_copy_of_a_copy_is_none_either(self) -> None:
        *_, last = story(tells(ONE), tells(ONE, "x:two"), tells(ONE, "x:three"))
        assert last.confidence == 0.7
        assert last.copies == {"x:one", "x:two", "x:three"}

    def test_a_copy_is_supported_by_whoever_says_it_in_own_words(self) -> None:
        *_, copy = story(tells(ONE), tells(OTHER, "x:two", 0.6), tells(ONE, "x:three"))
        assert set(copy.support) == {"x:two"}

    def test_a_voice_counts_once(self) -> None:
        twice = (tells(OTHER, "x:two", 0.6), tells("again in other words: the frog is on", "x:two", 0.65))
        *_, last = story(*twice, tells(ONE, "x:three", 0.9))
        assert len(last.support) == 1

    @given(st.floats(0, 1), st.lists(st.floats(0, 1), max_size=20))
    def test_never_lowers_and_is_bounded(self, confidence: float, support: list[float]) -> None:
        after = raised(confidence, support)
        assert round(confidence, 4) <= round(after, 4) + 1e-4
        assert after <= max(CEILING, confidence)
        assert after <= raised(confidence, [0.999] * 50) + 1e-9

    def test_all_voices_together_add_no_more_than_the_limit(self) -> None:
        odds = raised(0.5, [0.99] * 50) / (1 - raised(0.5, [0.99] * 50))
        assert np.log(odds) == pytest.approx(MOST_SUPPORT, abs=0.01)

    def test_who_is_no_surer_than_chance_adds_nothing(self) -> None:
        assert raised(0.55, [1 / 3, 0.2, 0.0]) == 0.55


class TestCopies:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("大饼 61200-61800 分批接多,损 60300", "大饼 61200-61800 分批接多，损 60300！"),
            ("RT @one: BREAKING: PEPE is getting listed", "BREAKING: PEPE is getting listed https://x.example/1"),
            ("buy doge", "Buy DOGE!!!"),
        ],
    )
    def test_are_told_by_their_letters_in_any_script(self, one: str, other: str) -> None:
        assert shared(sketch(one), sketch(other)) >= 0.6

    def test_other_texts_share_little(self) -> None:
        assert shared(sketch(ONE), sketch(OTHER)) < 0.3
        assert shared(sketch("以太坊合并成功，看涨"), sketch("比特币破位了，赶紧清仓")) < 0.3

    def test_nothing_is_no_copy_of_nothing(self) -> None:
        assert shared(sketch(""), sketch("")) == 0
        assert not sketch("🚀🚀🚀")

    def test_what_the_embedder_cannot_read_is_compared_by_its_letters_alone(self) -> None:
        one = tells("比特币破位了，赶紧清仓", event="")
        other = tells("以太坊合并成功，看涨", "x:two", event="")
        assert (one.vector, other.vector) == (None, None)
        assert not is_copy(one, other)
        assert not tells_the_same(one, other)

    @given(st.text(max_size=300))
    def test_any_text_has_a_sketch_of_its_own(self, text: str) -> None:
        made = sketch(text)
        assert len(made) <= 64
        assert not made or shared(made, made) == 1
