"""Trade calls: read off posts in two languages, and refused where their numbers cannot be meant."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.signals.domain.calls import doubt, fault, off_market, parse
from tradebot.contracts.messages import TradeCall


def call(side: str, entry: str, stop: str, targets: str) -> TradeCall:
    def numbers(text: str) -> list[Decimal]:
        return [Decimal(each) for each in text.split()]

    return TradeCall(side=side, entry=numbers(entry), stop=Decimal(stop), targets=numbers(targets))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("AAA long, entry 10.5, SL 9.8, TP 11.2 / 12.4", call("long", "10.5", "9.8", "11.2 12.4")),
        ("Short BBB between 3.40 and 3.55. Stop 3.70. Targets 3.1, 2.9", call("short", "3.40 3.55", "3.70", "3.1 2.9")),
        ("Buy zone 61.2-61.8k\nStop-loss: 60,100\nTake profit: 63k", call("long", "61200 61800", "60100", "63000")),
        ("CCC/USDT 做多 入场 2.10-2.16 止损 1.98 目标 2.30、2.45", call("long", "2.10 2.16", "1.98", "2.30 2.45")),
        ("空单 88.4 进,90.2 止损,止盈 85", call("short", "88.4", "90.2", "85")),
        ("12.1 entry / 11.4 stop / 13.5 target, long", call("long", "12.1", "11.4", "13.5")),
    ],
)
def test_a_call_is_read(text: str, wanted: TradeCall) -> None:
    found = parse(text)
    assert found is not None
    assert found.call == wanted
    assert fault(found.call) == ""


@pytest.mark.parametrize(
    "text",
    [
        "nice weather today",
        "up 12% in 4 hours",
        "I hold 3 coins and 2 wallets since 2019",
        "see you at 10:30, bring 20",
    ],
)
def test_what_is_no_call_is_none(text: str) -> None:
    assert parse(text) is None
    assert doubt(text) == ""


@pytest.mark.parametrize(
    ("text", "side", "entry"),
    [
        ("lqty 1.48 | 1.57 | 1.25", "short", "1.48"),
        ("ocean .552, .518 dries up, .63 .68 floods", "long", "0.552"),
        ("Filecoin, 6.33 → 5.4, abort 6.7", "short", "6.33"),
        ("Rose: .0571 → .068, abort .0533", "long", "0.0571"),
        ("XRP / 2.84 / above 2.98 go home / below 2.60 go shopping", "short", "2.84"),
        ("ar 7.2 6.7 8.5 轻仓,别问", "long", "7.2"),
        ("DOGE 0.1215 0.1190 0.1165 ✂️ 0.1108 ✅ 0.1290 0.1370 0.1500", "long", "0.1215"),
    ],
)
def test_prices_without_words_say_a_side_by_how_they_lie(text: str, side: str, entry: str) -> None:
    found = parse(text)
    assert found is not None
    assert found.call == TradeCall(side=side, entry=[Decimal(entry)], stop=None, targets=[])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "LINK could break 15 and run to 18, or it could just as well lose 13.2 and visit 11, and I really can't tell",
        "XRP 2.84, 2.98, 2.70",
        "XRP 2.84, 2.98, 2.68",
        "DOGE 1.00 .99 .98 .97 .96 1.20",
        "BTC 100, 95, 900",
        "levels: 100, 110, 90, 115, 85",
        "SOL 180 190 200",
        "3 coins, 1.48 1.49",
        "we met in 2019, I sold everything in 2021, came back by 2023 and here we are, talking of the same coin",
    ],
)
def test_prices_that_lie_otherwise_say_nothing(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("LONG DDD entry 40 stop 42 target 45", "wrong side of its entry"),
        ("SHORT DDD entry 40 stop 42 target 45", "wrong side of its entry"),
        ("LONG DDD entry 40 stop 38 targets 47 / 44", "out of order"),
        ("LONG DDD entry **** stop ****, join to see", "keeps its numbers to itself"),
        ("Long DDD. Entry and stop in the VIP group", "keeps its numbers to itself"),
    ],
)
def test_numbers_that_nobody_can_mean_are_refused(text: str, why: str) -> None:
    assert why in doubt(text)


def test_a_call_must_fit_the_market() -> None:
    sound = call("long", "100 104", "95", "120")
    assert off_market(sound, Decimal(102)) == ""
    assert "far from the market" in off_market(sound, Decimal(300))
    assert "beyond the stop" in off_market(sound, Decimal(94))


prices = st.decimals(min_value="0.01", max_value="1000", places=2)


@given(st.lists(prices, min_size=4, max_size=7, unique=True), st.sampled_from(["long", "short"]))
def test_prices_in_order_are_sound_and_no_others(numbers: list[Decimal], side: str) -> None:
    ordered = sorted(numbers, reverse=side == "short")
    told = TradeCall(side=side, entry=[ordered[1]], stop=ordered[0], targets=ordered[2:])  # type: ignore[arg-type]
    wild = max(ordered[1:]) > 10 * min(ordered[1:])
    assert (fault(told) == "") is not wild
    assert fault(TradeCall(side=side, entry=[ordered[0]], stop=ordered[1], targets=ordered[2:]))  # type: ignore[arg-type]
    assert fault(TradeCall(side=side, entry=[ordered[1]], stop=ordered[0], targets=ordered[:1:-1]))  # type: ignore[arg-type]


@given(st.lists(prices, min_size=4, max_size=6, unique=True))
def test_a_sound_long_is_never_a_sound_short(numbers: list[Decimal]) -> None:
    stop, entry, *targets = sorted(numbers)
    assert fault(TradeCall(side="short", entry=[entry], stop=stop, targets=targets))


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    found = parse(text)
    assert found is None or found.call.entry or found.call.targets
