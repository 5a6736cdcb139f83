"""Text that readers see, and nothing that only machines read."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.sources.domain.clean import CLEAN_LIMIT, RAW_LIMIT, clean, storable


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("plain words stay", "plain words stay"),
        ("price <3 & a<b, 5 > 4", "price <3 & a<b, 5 > 4"),
        ("BTC &amp; ETH &lt;3 &#128640;", "BTC & ETH <3 🚀"),
        ("https://a.example/?x=1&copy=2", "https://a.example/?x=1&copy=2"),
        ("&amp;lt; is escaped once", "&lt; is escaped once"),
        ("<p>One</p><p>Two<br>three</p>", "One\n\nTwo\nthree"),
        ("<b>BTC</b>/<i>USDT</i> up", "BTC/USDT up"),
        ("a<script>sell()</script><style>p{}</style>b", "ab"),
        ("<p>Buy<!-- not this --> now", "Buy now"),
        ('<p>One</p><div style="display: none">Buy</div><p hidden>Sell</p><p>Two</p>', "One\n\nTwo"),
        ('<p>a<span style="Font-Size:0;color:#fff">buy</span>b<i style="opacity : 0.0">sell</i>c</p>', "abc"),
        ('<p style="position:absolute; left:-9999px">Buy</p><p style="visibility:/**/hidden">Sell</p>', ""),
        ('<p style="font-size:0.9em;opacity:0.8;background-color:transparent;margin-left:-200px">seen</p>', "seen"),
        ("<img src=x onerror=alert(1)>Listed &amp; live", "Listed & live"),
        ("ｂｕｙ　ＤＯＧＥ", "buy DOGE"),
        ("a  \t b \n\n\n\n c ", "a b\n\nc"),
        ("line\r\nline\u2028line", "line\nline\nline"),
        ("zero\u200bwidth\u2060joined\ufeff", "zerowidthjoined"),
        ("soft\u00adhyphen", "softhyphen"),
        ("\u202eesrever\u202c", "esrever"),
        ("tags\U000e0053\U000e0045\U000e004c\U000e004c", "tags"),
        ("filler\u3164\u2800\uffa0", "filler"),
        ("&#x200b;hid&#8203;den", "hidden"),
        ("nul\x00 and bell\x07", "nul and bell"),
        ("half \ud83d pair", "half pair"),
        ("Z\u0351\u0352\u0353\u0354algo", "Z\u0353\u0354algo"),
        ("", ""),
        ("<>", "<>"),
        ("<!-- only a comment -->", ""),
    ],
)
def test_cleaning(raw: str, text: str) -> None:
    assert clean(raw) == text


def test_a_text_that_only_looks_like_markup_stays_whole() -> None:
    assert clean("if a <b and c> d then buy") == "if a <b and c> d then buy"


@given(st.text(alphabet=st.characters(), max_size=300))
def test_clean_text_can_be_stored_and_cleaning_again_changes_nothing_visible(raw: str) -> None:
    text = clean(raw)

    text.encode()
    assert "\x00" not in text
    assert storable(text) == text


@pytest.mark.parametrize(
    "raw",
    [
        "<" * RAW_LIMIT,
        "<!--" * (RAW_LIMIT // 4),
        "<b " * (RAW_LIMIT // 3),
        "<div>" * (RAW_LIMIT // 5),
        "&" * RAW_LIMIT,
        "\n " * (RAW_LIMIT // 2),
        "\ufdfa" * RAW_LIMIT,
        "e" + "\u0301" * RAW_LIMIT,
        "<a href='" * (RAW_LIMIT // 9),
    ],
    ids=["opened", "comments", "tags", "nested", "ampersands", "blanks", "expanding", "marks", "attributes"],
)
def test_hostile_texts_cost_little_and_stay_small(raw: str) -> None:
    started = time.process_time()

    assert len(clean(raw)) <= CLEAN_LIMIT
    assert time.process_time() - started < 1.5
