"""Copies are found, edits by a word or two sometimes, other stories never."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apps.sources.domain.near import DISTANCE, bands, is_near, simhash

STORY = "Sample exchange will list the sample coin tomorrow at noon, deposits open this evening for everybody"
OTHER = "The court dismissed the lawsuit against the lending company, its token doubled within an hour"
MASK = 2**64 - 1


def test_case_links_handles_and_punctuation_make_no_difference() -> None:
    copy = STORY.upper().replace(",", " !!") + " https://t.example/1 @somebody"

    assert simhash(copy) == simhash(STORY)


def test_a_copy_with_a_word_added_is_near() -> None:
    assert is_near(_mark(STORY * 3), _mark(STORY * 3 + ". RT"))


def test_another_story_is_not_near() -> None:
    assert not is_near(_mark(STORY), _mark(OTHER))


def test_a_chinese_copy_is_near_and_another_chinese_story_is_not() -> None:
    story = "样本交易所宣布明天中午上线样本币，今晚开放充值，所有用户都可以参与交易活动"
    other = "法院驳回了对借贷公司的诉讼，其代币价格在一小时之内翻了一倍，市场情绪高涨"

    assert is_near(_mark(story), _mark(story + "！"))
    assert not is_near(_mark(story), _mark(other))


def test_a_text_too_short_to_tell_has_no_mark() -> None:
    assert simhash("to the moon") is None
    assert simhash("https://a.example/a-very-long-link-that-says-nothing-at-all") is None


@given(st.integers(-(2**63), 2**63 - 1), st.sets(st.integers(0, 63), max_size=DISTANCE))
def test_near_marks_share_a_band(mark: int, flipped: set[int]) -> None:
    other = (mark & MASK) ^ sum(1 << bit for bit in flipped)

    assert is_near(mark, other)
    assert set(bands(mark)) & set(bands(other))


@given(st.text(max_size=200))
def test_every_mark_fits_a_signed_64_bit_column(text: str) -> None:
    mark = simhash(text)

    assert mark is None or -(2**63) <= mark < 2**63


def _mark(text: str) -> int:
    mark = simhash(text)
    assert mark is not None
    return mark
