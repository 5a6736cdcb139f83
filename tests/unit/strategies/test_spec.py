"""What a strategy may say, and what is told about one that says it wrongly."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.strategies.domain.fields import InvalidFields
from apps.strategies.domain.spec import DEFAULTS, StrategySpec, VenueChoice, parse_spec
from tests.unit.strategies.factories import ACCOUNT, ANYTHING, DESIGN_EXAMPLE
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.values import Mode, OrderType


def problems(raw: object) -> dict[str, str]:
    with pytest.raises(InvalidFields) as caught:
        parse_spec(raw)
    return {error.field: error.reason for error in caught.value.errors}


def bullish(**terms: Any) -> dict[str, Any]:
    return {"actions": {"bullish": {"percentage": 30, **terms}}}


def test_the_example_of_the_documentation_is_read_to_the_letter() -> None:
    spec = parse_spec(DESIGN_EXAMPLE)
    assert spec.watch_list.twitter_users == {"elonmusk"}
    assert spec.watch_list.telegram_groups == {"cryptosignals"}
    assert spec.watch_list.keywords == ("merge", "halving")
    assert spec.bullish is not None
    assert spec.bearish is not None
    assert (spec.bullish.percentage, spec.bullish.max_amount) == (Decimal(30), Decimal(5000))
    assert (spec.bearish.percentage, spec.bearish.stop_loss) == (Decimal(50), Decimal(10))


def test_what_is_not_said_has_the_documented_meaning() -> None:
    spec = parse_spec(ANYTHING)
    assert (spec.quote, spec.min_confidence, spec.mode, spec.enabled) == ("USDT", 0.6, Mode.PAPER, True)
    assert spec.max_signal_age == timedelta(seconds=300)
    assert spec.cooldown == timedelta(minutes=10)
    assert spec.time_windows == ()
    assert spec.watch_list.any_source


def test_the_defaults_that_a_version_keeps_are_the_parser_s_own() -> None:
    assert parse_spec({**DEFAULTS, **ANYTHING}) == parse_spec(ANYTHING)


def test_names_and_words_are_kept_in_the_form_in_which_they_compare() -> None:
    watch_list = {"twitter_users": ["@ElonMusk", "elonmusk"], "keywords": ["The  Merge"], "coins": ["$btc", "ETH"]}
    spec = parse_spec({**ANYTHING, "watch_list": watch_list})
    assert spec.watch_list.twitter_users == {"elonmusk"}
    assert spec.watch_list.keywords == ("the merge",)
    assert spec.watch_list.coins == {"BTC", "ETH"}


def test_money_may_be_a_number_or_a_text_and_becomes_a_decimal() -> None:
    spec = parse_spec(bullish(percentage="12.5", max_amount=0.1, take_profit=100, order_type="limit"))
    assert spec.bullish is not None
    assert spec.bullish.percentage == Decimal("12.5")
    assert spec.bullish.max_amount == Decimal("0.1")
    assert spec.bullish.order_type is OrderType.LIMIT


@pytest.mark.parametrize("bad", [0, -1, 100.5, "101", float("nan"), float("inf"), True, None, "many", [30], 10**4000])
def test_a_percentage_is_over_0_and_at_most_100(bad: object) -> None:
    assert problems(bullish(percentage=bad)) == {
        "actions.bullish.percentage": "give a percentage over 0 and at most 100"
    }


@pytest.mark.parametrize("kind", ["stop_loss", "trailing_stop"])
def test_a_stop_stays_above_a_price_of_zero(kind: str) -> None:
    assert problems(bullish(**{kind: 100})) == {f"actions.bullish.{kind}": "give a percentage over 0 and under 100"}


def test_an_action_needs_a_percentage() -> None:
    assert "is required" in problems({"actions": {"bearish": {}}})["actions.bearish.percentage"]


@pytest.mark.parametrize("raw", [{}, {"actions": {}}, {"watch_list": {"coins": ["BTC"]}}])
def test_a_strategy_needs_an_action(raw: dict[str, Any]) -> None:
    assert "give bullish, bearish or both" in problems(raw)["actions"]


def test_a_sale_has_no_budget() -> None:
    said = {"actions": {"bearish": {"percentage": 50, "max_amount": 5000}}}
    assert problems(said) == {"actions.bearish.max_amount": "limits what a buy may spend; remove it from bearish"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"percentage": 30}, "percentage"),
        ({"watch_list": {"users": ["x"]}}, "watch_list.users"),
        ({"actions": {"bullish": {"percentage": 1}, "neutral": {}}}, "actions.neutral"),
        ({"actions": {"bullish": {"percentage": 1, "leverage": 10}}}, "actions.bullish.leverage"),
        ({"time_windows": [{"from": "09:00"}]}, "time_windows[0].from"),
    ],
)
def test_an_unknown_field_is_named_with_those_that_exist(change: dict[str, Any], field: str) -> None:
    assert problems({**ANYTHING, **change})[field].startswith("is not a field here; remove it, or use one of ")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"watch_list": []}, "watch_list"),
        ({"watch_list": {"keywords": "merge"}}, "watch_list.keywords"),
        ({"watch_list": {"keywords": ["merge", " "]}}, "watch_list.keywords[1]"),
        ({"watch_list": {"keywords": ["a\x00b"]}}, "watch_list.keywords[0]"),
        ({"watch_list": {"keywords": ["\ud800"]}}, "watch_list.keywords[0]"),
        ({"watch_list": {"twitter_users": ["@"]}}, "watch_list.twitter_users[0]"),
        ({"watch_list": {"coins": ["BTC/USDT"]}}, "watch_list.coins[0]"),
        ({"watch_list": {"feeds": ["x" * 201]}}, "watch_list.feeds[0]"),
        ({"watch_list": {"feeds": ["x"] * 501}}, "watch_list.feeds"),
        ({"quote": "US Dollar"}, "quote"),
        ({"quote": 7}, "quote"),
        ({"min_confidence": 1.01}, "min_confidence"),
        ({"min_confidence": "high"}, "min_confidence"),
        ({"max_signal_age": 0}, "max_signal_age"),
        ({"max_signal_age": 1.5}, "max_signal_age"),
        ({"max_signal_age": True}, "max_signal_age"),
        ({"cooldown_minutes": -1}, "cooldown_minutes"),
        ({"mode": "demo"}, "mode"),
        ({"mode": None}, "mode"),
        ({"credential_id": "mine"}, "credential_id"),
        ({"venue": "cheapest"}, "venue"),
        ({"venue": []}, "venue"),
        ({"venue": ["kraken", 5]}, "venue[1]"),
        ({"venue": "best", "credential_id": str(ACCOUNT)}, "venue"),
        ({"enabled": "yes"}, "enabled"),
        ({"name": "x" * 121}, "name"),
        ({"time_windows": {"start": "09:00"}}, "time_windows"),
        ({"time_windows": ["always"]}, "time_windows[0]"),
        ({"time_windows": [{"start": "9:00"}]}, "time_windows[0].start"),
        ({"time_windows": [{"end": "24:01"}]}, "time_windows[0].end"),
        ({"time_windows": [{"start": "09:00", "end": "09:00"}]}, "time_windows[0].end"),
        ({"time_windows": [{"time_zone": "Mars/Olympus"}]}, "time_windows[0].time_zone"),
        ({"time_windows": [{"time_zone": "../../etc/passwd"}]}, "time_windows[0].time_zone"),
        ({"time_windows": [{"days": ["caturday"]}]}, "time_windows[0].days[0]"),
        ({"actions": {"bullish": {"percentage": 1, "order_type": "iceberg"}}}, "actions.bullish.order_type"),
        ({"actions": {"bullish": {"percentage": 1, "max_amount": 0}}}, "actions.bullish.max_amount"),
        ({"actions": {"bullish": {"percentage": 1, "max_amount": "1e30"}}}, "actions.bullish.max_amount"),
        ({"actions": {"bullish": 30}}, "actions.bullish"),
    ],
)
def test_a_wrong_value_is_named_by_its_path(change: dict[str, Any], field: str) -> None:
    assert next(iter(problems({**ANYTHING, **change}))) == field


@pytest.mark.parametrize(
    ("raw", "field"),
    [(None, ""), ([], ""), ({"actions": []}, "actions"), ({"actions": {"bullish": 3}}, "actions.bullish")],
)
def test_what_is_no_object_is_told_once(raw: object, field: str) -> None:
    assert problems(raw) == {field: "give an object with named fields"}


def test_all_broken_rules_are_told_at_once() -> None:
    raw = {"mode": "demo", "quote": "", "colour": 1, "actions": {"bullish": {"percentage": 300}}}
    assert set(problems(raw)) == {"actions.bullish.percentage", "quote", "mode", "colour"}


def test_the_first_broken_rule_speaks_for_all_where_only_one_is_heard() -> None:
    with pytest.raises(InvalidField) as caught:
        parse_spec({"mode": "demo", "actions": {"bullish": {"percentage": 300}}})
    assert caught.value.field == "actions.bullish.percentage"
    assert "mode: give one of paper, shadow, live" in str(caught.value)


def test_the_default_account_can_be_asked_for() -> None:
    assert parse_spec({**ANYTHING, "credential_id": None}).credential_id is None
    assert parse_spec({**ANYTHING, "credential_id": str(ACCOUNT)}).credential_id == ACCOUNT


def test_the_exchange_may_be_left_to_us() -> None:
    assert parse_spec(ANYTHING).venue is None
    assert parse_spec({**ANYTHING, "venue": None}).venue is None
    assert parse_spec({**ANYTHING, "venue": "best"}).venue == VenueChoice()
    assert parse_spec({**ANYTHING, "venue": ["Kraken ", "okx"]}).venue == VenueChoice(("kraken", "okx"))


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["BTC", 30])
keys = st.sampled_from(
    [*DEFAULTS, "watch_list", "actions", "bullish", "bearish", "percentage", "keywords", "start", "end", "days"]
)
json_like = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys | st.text(max_size=8), inner, max_size=6),
    max_leaves=25,
)


@given(json_like)
def test_whatever_comes_is_read_or_refused_by_name(raw: object) -> None:
    try:
        assert isinstance(parse_spec(raw), StrategySpec)
    except InvalidFields as error:
        assert error.errors  # noqa: PT017 - either outcome is fine, nothing else is


percentages = st.decimals(min_value="0.01", max_value=99, places=2).map(str)


@given(
    st.fixed_dictionaries(
        {"actions": st.fixed_dictionaries({"bullish": st.fixed_dictionaries({"percentage": percentages})})},
        optional={
            "mode": st.sampled_from(["paper", "shadow", "live"]),
            "min_confidence": st.floats(0, 1),
            "cooldown_minutes": st.integers(0, 1000),
            "watch_list": st.fixed_dictionaries({"keywords": st.lists(st.sampled_from(["merge", "减半"]), max_size=3)}),
        },
    )
)
def test_a_stored_version_reads_back_as_the_same(raw: dict[str, Any]) -> None:
    stored = json.loads(json.dumps({**DEFAULTS, **raw}))
    assert parse_spec(stored) == parse_spec(raw)
