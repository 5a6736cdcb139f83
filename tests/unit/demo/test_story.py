"""The table at the end of the demo: what it says about each fate, and which orders it misses."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tradebot.contracts.messages import CrawlerMessage
from workers.demo.script import Beat, Expected
from workers.demo.story import Chapter, DecisionTold, OrderTold, plain, rows, shortened, total, unfulfilled, uninvited

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
BUY = Expected.parse("entry buy BTC/USDT")


def a_beat(*orders: Expected, **changes: object) -> Beat:
    said: dict[str, object] = {
        "id": "post-1",
        "root_id": "root-1",
        "seen_at": NOON,
        "source": "twitter",
        "type": "text",
        "data": "To the moon",
        "timestamp": NOON,
        "author": "somebody",
    }
    return Beat(CrawlerMessage(**(said | changes)), "", {}, (), orders, "a lesson")  # type: ignore[arg-type]


def an_order(**changes: object) -> OrderTold:
    said: dict[str, object] = {
        "leg": "entry",
        "side": "buy",
        "pair": "BTC/USDT",
        "type": "market",
        "amount": Decimal("0.0100"),
        "status": "FILLED",
        "filled": Decimal("0.0100"),
        "price": Decimal(50_000),
    }
    return OrderTold(**(said | changes))  # type: ignore[arg-type]


def a_trade(*orders: OrderTold, beat: Beat | None = None) -> Chapter:
    decision = DecisionTold("Mine", matched=True, orders=orders)
    return Chapter(beat or a_beat(BUY), "fresh", "bullish BTC 0.90", tradable=True, decisions=(decision,))


def test_a_filled_order_fulfils_what_was_expected() -> None:
    assert unfulfilled([a_trade(an_order())]) == []


@pytest.mark.parametrize(
    "changes", [{"status": "OPEN"}, {"status": "REJECTED"}, {"side": "sell"}, {"pair": "ETH/USDT"}, {"leg": "exit"}]
)
def test_another_order_or_one_without_fill_does_not(changes: dict[str, object]) -> None:
    assert unfulfilled([a_trade(an_order(**changes))]) == ["post-1: entry buy BTC/USDT"]


def test_an_expected_order_without_any_order_is_missing() -> None:
    assert unfulfilled([Chapter(a_beat(BUY), "missing")]) == ["post-1: entry buy BTC/USDT"]


@pytest.mark.parametrize(("status", "missing"), [("OPEN", False), ("FILLED", False), ("REJECTED", True)])
def test_a_protecting_order_counts_once_the_exchange_holds_it(status: str, missing: bool) -> None:
    beat = a_beat(Expected.parse("protect sell BTC/USDT"))
    stop = an_order(leg="protect", side="sell", type="stop_loss", status=status)
    assert bool(unfulfilled([a_trade(stop, beat=beat)])) is missing


def test_the_last_line_tells_fills_and_resting_stops_apart() -> None:
    beat = a_beat(BUY, Expected.parse("protect sell BTC/USDT"), Expected.parse("exit sell BTC/USDT"))
    stop = an_order(leg="protect", side="sell", type="stop_loss", status="OPEN")
    missed = an_order(leg="exit", side="sell", status="REJECTED")
    assert total([a_trade(an_order(), stop, missed, beat=beat)]) == (
        "2 of 3 expected orders: 1 filled, 1 stop resting at the exchange."
    )
    assert total([a_trade(an_order())]) == "1 of 1 expected orders: 1 filled."


def test_an_order_that_no_post_asked_for_is_told() -> None:
    assert uninvited([a_trade(an_order(), beat=a_beat())]) == ["post-1: entry buy BTC/USDT"]
    assert uninvited([a_trade(an_order())]) == []


def test_a_trade_is_told_in_one_row() -> None:
    [row] = rows([a_trade(an_order())])
    assert row.post == "@somebody: To the moon"
    assert (row.signal, row.strategy) == ("bullish BTC 0.90", "Mine")
    assert (row.order, row.fill) == ("buy 0.01 BTC/USDT", "filled 0.01 at 50000")


def test_a_second_order_of_a_post_gets_a_row_of_its_own_without_repeating_the_post() -> None:
    stop = an_order(leg="protect", side="sell", type="stop_loss", status="OPEN", price=Decimal("45000.0"))
    told = rows([a_trade(an_order(side="sell", leg="exit"), stop)])
    assert [row.post for row in told] == ["@somebody: To the moon", ""]
    assert (told[1].order, told[1].fill) == ("sell 0.01 BTC/USDT stop loss", "resting at 45000")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("duplicate", "duplicate"),
        ("edited", "edited"),
        ("dead", "dead letter: why it died"),
        ("missing", "not through yet"),
        ("fresh", "a lesson"),
    ],
)
def test_a_post_that_does_not_trade_says_why(state: str, words: str) -> None:
    [row] = rows([Chapter(a_beat(), state, reason="why it died")])
    assert row.order == "none"
    assert words in row.fill


def test_a_denied_command_tells_the_reason() -> None:
    decision = DecisionTold("Mine", matched=True, code="NOTHING_HELD", reason="no BNB is held")
    [row] = rows([Chapter(a_beat(), "fresh", "bearish BNB 0.90", tradable=True, decisions=(decision,))])
    assert (row.order, row.fill) == ("denied", "NOTHING_HELD: no BNB is held")


def test_of_several_refusals_the_one_of_the_strategy_that_watches_the_source_is_told() -> None:
    elsewhere = DecisionTold("Other", matched=False, code="source", reason="not on the watch list")
    doubtful = DecisionTold("Mine", matched=False, code="confidence", reason="0.40 is under 0.6")
    [row] = rows([Chapter(a_beat(), "fresh", "bullish BTC 0.40", tradable=True, decisions=(elsewhere, doubtful))])
    assert (row.strategy, row.fill) == ("Mine", "confidence: 0.40 is under 0.6")


def test_a_reason_that_begins_with_its_code_is_told_once() -> None:
    doubtful = DecisionTold("Mine", matched=False, code="confidence", reason="confidence 0.40 is under 0.6")
    [row] = rows([Chapter(a_beat(), "fresh", "bullish BTC 0.40", tradable=True, decisions=(doubtful,))])
    assert row.fill == "confidence 0.40 is under 0.6"


def test_where_nobody_watches_the_source_no_strategy_is_blamed() -> None:
    elsewhere = DecisionTold("Other", matched=False, code="source", reason="not on the watch list")
    [row] = rows([Chapter(a_beat(), "fresh", "bullish BTC 0.90", tradable=True, decisions=(elsewhere,))])
    assert (row.strategy, row.fill) == ("all", "source: not on the watch list")


@pytest.mark.parametrize(
    ("number", "text"), [("100", "100"), ("0.00000322", "0.00000322"), ("1.500", "1.5"), ("2E+3", "2000")]
)
def test_numbers_are_plain(number: str, text: str) -> None:
    assert plain(Decimal(number)) == text


def test_long_texts_are_cut_to_one_line() -> None:
    assert shortened("one\n two  three", 8) == "one two…"
    assert shortened("short", 8) == "short"


def test_chinese_characters_take_two_columns() -> None:
    assert shortened("比特币减半", 10) == "比特币减半"
    assert shortened("比特币减半", 8) == "比特币…"
