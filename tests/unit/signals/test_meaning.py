"""What a post is about and how it is meant, and the cheap search that both use."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.signals.domain.coins import catalogue
from apps.signals.domain.events import about
from apps.signals.domain.han import simplified
from apps.signals.domain.phrases import Phrases, needed
from apps.signals.domain.rules import read


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("Kraken does not list FOO, whatever the rumour says", "listing"),
        ("the pair is delisted on Friday", "delisting"),
        ("attackers emptied the lending pool", "hack"),
        ("two months until the next halving", "halving"),
        ("the hard fork is delayed", "upgrade"),
        ("another week of etf outflows", "etf"),
        ("the senate votes on the stablecoin bill", "regulation"),
        ("the airline partners with a chain", "partnership"),
        ("they burned a tenth of the supply", "burn"),
        ("the cliff ends and early backers can sell", "unlock"),
        ("the judge threw out the lawsuit", "lawsuit"),
        ("a whale sent it all to Binance", "whale"),
        ("Musk shows his dog again", "endorsement"),
        ("Short FOO at 5.1, stop 5.4, target 4.6", "trade_call"),
        ("項目方宣布銷毀一成代幣", "burn"),
        ("法院駁回訴訟", "lawsuit"),
        ("早期投资人的代币下周解锁", "unlock"),
        ("巨鲸把两万枚转入交易所", "whale"),
    ],
)
def test_the_topic_is_known_whichever_way_it_points(text: str, event: str) -> None:
    found = read(text)
    assert found.event == event
    assert any(each.kind == event and text[slice(*each.span or (0, 0))] == each.quote for each in found.evidence)


@pytest.mark.parametrize("text", ["good morning everyone", "我今天去钓鱼", "my cat sleeps on the keyboard"])
def test_small_talk_is_about_nothing(text: str) -> None:
    assert about(text) is None


@pytest.mark.parametrize(
    ("text", "mood"),
    [
        ("Buy ETH now, before the weekend", "instruction"),
        ("Long SOL entry 20.5, SL 19.8, TP 22 / 23.5", "instruction"),
        ("赶紧上车,现在就买比特币", "instruction"),
        ("Bitcoin will trade higher next week, I think", "claim"),
        ("I sold all my ETH last week", "report"),
        ("去年我把以太坊全卖了", "report"),
        ("Does anyone know when the unlock is?", "question"),
        ("请问现在还能买吗?", "question"),
    ],
)
def test_how_a_post_is_meant(text: str, mood: str) -> None:
    assert read(text).meant == mood


def test_a_call_that_cannot_be_meant_is_neutral_and_says_why() -> None:
    found = read("LONG BTC entry 30000, stop 31500, target 33000")
    assert found.direction == "neutral"
    assert found.call is None
    assert "wrong side" in found.note


@pytest.mark.parametrize(
    "text",
    [
        "ВТС long now",
        "buy ΕΤΗ, the chart is great",
        "ＢＴＣ price up",
        "B\u200bTC to the moon",
        "ꓐTC price",
        "ВТС (bitcoin) is cheap here",
    ],
)
def test_a_ticker_in_foreign_letters_never_resolves(text: str) -> None:
    assert catalogue().symbols(text) == []


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("Binance will list SAND today", ["SAND"]),
        ("LINK 18.4, stop below", ["LINK"]),
        ("今天 LINK 大涨", ["LINK"]),
        ("the end is NEAR, friends", []),
        ("the LINK is in my bio", []),
        ("I have ONE question", []),
        ("what do you pay for GAS", []),
        ("以太幣和狗狗幣都漲了", ["ETH", "DOGE"]),
    ],
)
def test_symbols_that_are_words_need_their_context(text: str, symbols: list[str]) -> None:
    assert catalogue().symbols(text) == symbols


@given(st.text())
def test_simplified_text_keeps_its_length(text: str) -> None:
    assert len(simplified(text)) == len(text)


@pytest.mark.parametrize(
    ("pattern", "pieces"),
    [
        (r"\bsue[sd]?\b", ("sue",)),
        (r"\b(?:red|blue) door\b", (" door",)),
        (r"colou?rs", ("colo",)),
        (r"(?:red|blue)", ("red", "blue")),
        (r"\d+", ()),
        (r"red|\d", ()),
        (r"i\x27ll wait", ("ll wait",)),
    ],
)
def test_what_a_pattern_needs(pattern: str, pieces: tuple[str, ...]) -> None:
    assert needed(pattern) == pieces


@given(st.from_regex(r"(?:re[dt]|blu+e) (?:door|gate)s?", fullmatch=True))
def test_no_match_is_missed_for_a_needed_piece(text: str) -> None:
    pattern = r"(?:re[dt]|blu+e) (?:door|gate)s?"
    assert [hit[0] for hit in Phrases([pattern]).finditer(text)] == [hit[0] for hit in re.finditer(pattern, text)]
