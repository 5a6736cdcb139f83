"""Which of the named coins a post is about."""

from __future__ import annotations

import pytest

from apps.signals.domain.coins import catalogue

coins = catalogue()


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("doge flipping ada again this summer", ["DOGE"]),
        ("FLOKI is the new DOGE", ["FLOKI"]),
        ("PEPE volume beat Litecoin's", ["PEPE"]),
        ("SOL holds 130 whilst BTC falls", ["SOL"]),
        ("XLM 涨得比 XRP 慢", ["XLM"]),
        ("以太反弹就换成大饼", ["ETH"]),
        ("eth/btc bottomed", ["ETH"]),
    ],
)
def test_a_coin_that_another_is_compared_with_is_left_out(text: str, about: list[str]) -> None:
    assert coins.symbols(text) == about


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("BTC and ETH both rise", ["BTC", "ETH"]),
        ("BTC做多，狗狗币也可以", ["BTC", "DOGE"]),
        ("Bitcoin beats ether", ["BTC", "ETH"]),
    ],
)
def test_coins_that_are_spoken_of_alike_all_count(text: str, about: list[str]) -> None:
    assert coins.symbols(text) == about


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("stETH on Aave as security, AAVE rises", ["AAVE"]),
        ("alts are one btc wick away from a haircut", []),
        ("Have USDT ready, the coin is named at 17:00", []),
        ("Send 0.5 ETH, claim your seat", []),
        ("bought 0.4 btc today", ["BTC"]),
        ("SOL pays 0.3 ETH here", ["SOL"]),
    ],
)
def test_what_measures_pays_or_baits_is_no_subject(text: str, about: list[str]) -> None:
    assert coins.symbols(text) == about


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("ton down on good news, the coin is tired", ["TON"]),
        ("avalanche subnets: 140 launched", ["AVAX"]),
        ("Still in the curve short from last week", ["CRV"]),
        ("fresh wallet, 1.9M LINK off Binance", ["LINK"]),
        ("sei 原生地址怎么绑定", ["SEI"]),
        ("apt 下个月解锁", ["APT"]),
        ("门罗下架了", ["XMR"]),
    ],
)
def test_a_symbol_that_is_a_word_counts_where_the_post_speaks_of_it(text: str, about: list[str]) -> None:
    assert coins.symbols(text) == about


@pytest.mark.parametrize(
    "text",
    [
        "prices at the pump rose three cents",
        "a ton of work today, the market waits",
        "As NEAR as I can tell nobody sells coins",
        "LINK to the chart is pinned",
        "a stellar bounce",
        "发我个 link 谢谢",
        "one more night at .55",
    ],
)
def test_the_same_words_are_no_coins_in_everyday_sentences(text: str) -> None:
    assert coins.symbols(text) == []
