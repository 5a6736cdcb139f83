"""Words that decided and are not meant: quoted, on a condition, invented, taken back."""

from __future__ import annotations

import pytest

from apps.signals.domain.unmeant import unmeant
from tradebot.contracts.messages import Evidence


def _told(text: str, *quotes: str) -> str:
    spans = [(text.index(quote), text.index(quote) + len(quote)) for quote in quotes]
    return unmeant(
        text,
        [Evidence(kind="x", quote=q, weight=1.0, model="m", span=span) for q, span in zip(quotes, spans, strict=True)],
    )


@pytest.mark.parametrize(
    ("text", "quote", "why"),
    [
        ('He wrote "buy ZQX now" again. I stay out.', "buy", "quoted"),
        ("The “strong buy” on ZQX aged badly", "strong buy", "quoted"),
        ("I would sell my ZQX only if it halved.", "sell", "condition"),
        ("如果 ZQX 突破五十,我才会考虑买入", "买入", "condition"),
        ("If volume returns, ZQX could see a bounce", "bounce", "hedged"),
        ("ZQX chart: leaning slightly positive", "positive", "hedged"),
        ("Cartoon: a bull says buy ZQX", "buy", "fiction"),
        ("昨晚梦见 ZQX 暴涨", "暴涨", "fiction"),
        ("A strong buy? I'm not buying, nor selling ZQX", "strong buy", "neither side"),
        ("ZQX 暴涨了?我不买也不卖", "暴涨", "neither side"),
        ("Withdrawn: ZQX was hacked", "hacked", "takes something back"),
        ("He said that she said that insiders are dumping ZQX", "dumping", "hearsay"),
        ("听人说,他听说 ZQX 要暴涨", "暴涨", "hearsay"),
        ("My dentist says sell ZQX", "sell", "hearsay"),
        ("算命的说 ZQX 要暴涨", "暴涨", "hearsay"),
        ("If they ever list it, I'll buy ZQX", "buy", "condition"),
        ("I’ll buy ZQX once it halves", "buy", "condition"),
        ("Go on, sell me your ZQX cheap", "sell", "sell to its author"),
        ("便宜点卖给我 ZQX", "卖", "sell to its author"),
        ("Please stop sharing that ZQX listing", "listing", "what others tell is not so"),
        ("ZQX 上线？别传了，都是假的", "上线", "what others tell is not so"),
        ("ZQX was never hacked", "hacked", "what is not the case"),
        ("ZQX 没有被盗", "被盗", "what is not the case"),
        ("The DOT on my nose grew, panic at school", "panic", "may mean something else"),
    ],
)
def test_what_is_not_meant_is_named(text: str, quote: str, why: str) -> None:
    assert why in _told(text, quote)


@pytest.mark.parametrize(
    ("text", "quotes"),
    [
        ('The team posted "upgrade is live". I buy ZQX', ("upgrade is live", "buy")),
        ("I would have waited. Now I buy ZQX.", ("buy",)),
        ("It isn't over: buy ZQX, don't wait", ("buy",)),
        ("I buy ZQX. If it drops, I'll buy more.", ("buy",)),
        ("My desk says buy ZQX", ("buy",)),
        ("I sell. Who wants it can have all my ZQX", ("sell",)),
        ("ZQX breaks out, buying", ("breaks out", "buying")),
        ("SAND holders panic, price in free fall", ("panic", "free fall")),
        ("$SAND panic", ("panic",)),
        ("如果要等,等不到了。ZQX 突破,买入", ("突破", "买入")),
    ],
)
def test_one_word_said_outright_is_enough(text: str, quotes: tuple[str, ...]) -> None:
    assert _told(text, *quotes) == ""
