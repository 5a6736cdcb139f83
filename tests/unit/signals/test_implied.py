"""Which coin a post means that names none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.signals.domain.coins import catalogue
from apps.signals.domain.implied import implied

coins = catalogue()


@pytest.mark.parametrize(
    "text",
    [
        "Long 63,200, stop at 62,400",
        "sell the bounce at 64.8, stop 65.5",
        "if it loses 58k there is air below",
        "空单 64,350 进,止损 65,100",
        "站稳63了,下一个65",
        "六万砸不穿的",
        "Fourth day of ETF outflows",
        "昨日净流入九亿",
        "The miners have sold what they had",
        "矿工抛压结束了",
        "交易所余额创六年新低",
        "Mempool is empty tonight",
        "饼子上到前高就卖",
        "減半之後供應少了",
    ],
)
def test_a_market_that_only_bitcoin_has_means_bitcoin(text: str) -> None:
    assert coins.symbols(text) == ["BTC"]


@pytest.mark.parametrize(
    "text",
    [
        "Gas is down to 1 gwei",
        "2515 的空我平了,反手多",
        "The staking ETF is decided on Monday",
        "Bought at 2,480, stop 2,390",
    ],
)
def test_a_market_that_only_ether_has_means_ether(text: str) -> None:
    assert coins.symbols(text) == ["ETH"]


@pytest.mark.parametrize(
    ("text", "symbol"),
    [("The parachain auction ends", "DOT"), ("frog short, entry 0.0000131", "PEPE"), ("卖 U 被冻卡了", "USDT")],
)
def test_what_only_one_coin_has_means_that_coin(text: str, symbol: str) -> None:
    assert coins.symbols(text) == [symbol]


@pytest.mark.parametrize(
    "text",
    [
        "My accountant asked for a file of 41,000 lines",
        "We are 63,000 members now, buy a shirt",
        "Up 58.4% this week, I sell",
        "In 2017 I bought a house and sold it in 2024",
        "中秋节卖月饼",
        "The token sold out at 63,200, buy the next",
        "山寨全线跌破支撑,矿工也没用",
        "Claim before 61,500 others: https://example.com/miners sell",
        "We wait and see",
    ],
)
def test_numbers_of_other_things_and_talk_of_other_coins_mean_none(text: str) -> None:
    assert coins.symbols(text) == []


def test_a_named_coin_leaves_nothing_to_guess() -> None:
    assert coins.symbols("SOL long, the miners sold and 63,200 broke") == ["SOL"]


def test_a_lookalike_leaves_nothing_to_guess() -> None:
    assert coins.symbols("buy ВTC at 63,200, stop 62,400") == []


@given(st.text(max_size=300))
def test_any_text_can_be_read_and_the_span_fits(text: str) -> None:
    found = implied(text)
    assert found is None or (0 <= found.start < found.end <= len(text) and found.symbol in coins.coins)
