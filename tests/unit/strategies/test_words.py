"""How keywords and names compare."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.strategies.domain.words import folded, folded_name, occurs


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("merge", "The Merge!"),
        ("merge", "#merge is done"),
        ("merge", "pre-merge"),
        ("the merge", "THE\n merge"),
        ("btc", "buy $BTC now"),
        ("$btc", "buy $BTC now"),
        ("减半", "比特币减半倒计时"),
        ("merge", "以太坊merge成功"),
        ("etf 获批", "现货ETF  获批了"),
        ("straße", "STRASSE"),
        ("merge", "emerge, then merge"),
        ("ＢＴＣ", "btc"),
    ],
)
def test_a_keyword_occurs(keyword: str, text: str) -> None:
    assert occurs(folded(keyword), folded(text))


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("merge", "they emerged"),
        ("merge", "merged"),
        ("merge", "merge_2"),
        ("eth", "something"),
        ("btc", "BTC2 wbtc"),
        ("减半", "减 半"),
        ("merge", ""),
    ],
)
def test_a_part_of_a_word_is_no_occurrence(keyword: str, text: str) -> None:
    assert not occurs(folded(keyword), folded(text))


def test_names_compare_without_at_sign_and_case() -> None:
    assert folded_name(" @ElonMusk ") == folded_name("elonmusk")


@given(st.text(max_size=30), st.text(alphabet=" ,.!?\n", min_size=1, max_size=3), st.text(max_size=30))
def test_a_word_between_spaces_or_stops_always_occurs(before: str, gap: str, after: str) -> None:
    assert occurs("halving", folded(f"{before}{gap}Halving{gap}{after}"))
