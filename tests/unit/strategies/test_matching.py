"""Which signals a strategy acts on, and the first reason why not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.strategies.domain.matching import Account, Matched, NotMatched, Reason, match
from tests.unit.strategies.factories import (
    ACCOUNT,
    ALICE,
    ANYTHING,
    BOB,
    DESIGN_EXAMPLE,
    NOON,
    a_post,
    a_signal,
    a_strategy,
    surroundings,
)
from tradebot.contracts.messages import AnalysisSignal
from tradebot.contracts.values import Action, Direction, Leg, Mode

LIVE = Account(ACCOUNT, "binance", paper=False)


def reason(strategy: Any, signal: Any = None, post: Any = None, around: Any = None) -> Reason | None:
    verdict = match(strategy, signal or a_signal(), post or a_post(), around or surroundings())
    return verdict.reason if isinstance(verdict, NotMatched) else None


def watching(**watch_list: Any) -> Any:
    return a_strategy(ANYTHING, watch_list=watch_list)


def test_a_bullish_signal_buys() -> None:
    verdict = match(a_strategy(DESIGN_EXAMPLE), a_signal(), a_post(), surroundings())
    assert isinstance(verdict, Matched)
    assert (verdict.action, verdict.leg, verdict.terms.percentage, verdict.coins) == (
        Action.BUY,
        Leg.ENTRY,
        30,
        ("BTC",),
    )


def test_a_bearish_signal_sells() -> None:
    verdict = match(a_strategy(DESIGN_EXAMPLE), a_signal(type=Direction.BEARISH), a_post(), surroundings())
    assert isinstance(verdict, Matched)
    assert (verdict.action, verdict.leg, verdict.terms.percentage) == (Action.SELL, Leg.EXIT, 50)


class TestSource:
    def test_the_watched_author_counts_however_the_name_is_written(self) -> None:
        assert reason(watching(twitter_users=["@ElonMusk"]), post=a_post(author="elonMUSK")) is None

    def test_another_author_does_not(self) -> None:
        assert reason(watching(twitter_users=["elonmusk"]), post=a_post(author="elonmusk2")) is Reason.SOURCE

    def test_a_watched_channel_counts_whoever_wrote(self) -> None:
        post = a_post(source="telegram", channel="CryptoSignals", author="someone")
        assert reason(watching(telegram_groups=["@cryptosignals"]), post=post) is None

    def test_a_name_counts_in_its_own_kind_of_source_only(self) -> None:
        post = a_post(source="telegram", channel="elonmusk", author="elonmusk")
        assert reason(watching(twitter_users=["elonmusk"]), post=post) is Reason.SOURCE

    @pytest.mark.parametrize("kind", ["rss", "web"])
    def test_feeds_are_named_by_channel_or_where_there_is_none_by_author(self, kind: str) -> None:
        post = a_post(source=kind, channel="CoinDesk", author="A. Writer")
        assert reason(watching(feeds=["coindesk"]), post=post) is None
        assert reason(watching(feeds=["a. writer"]), post=a_post(source=kind, channel="", author="A. Writer")) is None

    @pytest.mark.parametrize(("kind", "listed"), [("rss", "feeds"), ("telegram", "telegram_groups")])
    def test_whoever_signs_as_a_watched_feed_elsewhere_is_not_it(self, kind: str, listed: str) -> None:
        forged = a_post(source=kind, channel="some-other-blog", author="CoinDesk")
        assert reason(watching(**{listed: ["coindesk"]}), post=forged) is Reason.SOURCE

    def test_once_any_list_is_filled_a_kind_without_list_is_silent(self) -> None:
        assert reason(watching(feeds=["coindesk"])) is Reason.SOURCE

    def test_without_any_list_every_source_counts(self) -> None:
        assert reason(watching(keywords=["merge"]), post=a_post(source="rss", channel="anywhere")) is None


class TestPrivatePosts:
    post = a_post(source=f"push:{ALICE}", author="elonmusk")

    def test_reach_their_owner_s_strategies(self) -> None:
        assert reason(a_strategy(user_id=ALICE), post=self.post) is None

    def test_reach_nobody_else_s(self) -> None:
        assert reason(a_strategy(user_id=BOB), post=self.post) is Reason.OWNER

    def test_speak_as_nobody_to_a_strategy_that_watches_names(self) -> None:
        assert reason(watching(twitter_users=["elonmusk"], feeds=["elonmusk"]), post=self.post) is Reason.SOURCE

    @pytest.mark.parametrize("where", ["signal", "post"])
    def test_are_private_whoever_says_so(self, where: str) -> None:
        owned = a_signal(owner_id=str(ALICE)), a_post(owner=str(ALICE))
        signal, post = (owned[0], a_post()) if where == "signal" else (a_signal(), owned[1])
        assert reason(a_strategy(user_id=BOB), signal, post) is Reason.OWNER

    def test_of_two_owners_reach_neither(self) -> None:
        assert reason(a_strategy(user_id=ALICE), a_signal(owner_id=str(BOB)), self.post) is Reason.OWNER

    def test_of_an_unreadable_owner_reach_nobody(self) -> None:
        assert reason(a_strategy(user_id=ALICE), post=a_post(source="push:somebody")) is Reason.OWNER


class TestKeywords:
    def test_one_of_them_is_enough(self) -> None:
        assert reason(watching(keywords=["halving", "merge"])) is None

    def test_a_part_of_a_word_is_not(self) -> None:
        assert reason(watching(keywords=["merge"]), post=a_post(text="merged")) is Reason.KEYWORDS


class TestAction:
    def test_a_neutral_signal_is_nothing_to_act_on(self) -> None:
        assert reason(a_strategy(), a_signal(type=Direction.NEUTRAL)) is Reason.DIRECTION

    def test_a_strategy_acts_only_as_it_says(self) -> None:
        only_buys = a_strategy({"actions": {"bullish": {"percentage": 10}}})
        assert reason(only_buys, a_signal(type=Direction.BEARISH)) is Reason.NO_ACTION


class TestAccount:
    def test_without_one_nothing_is_traded(self) -> None:
        assert reason(a_strategy(), around=surroundings(account=None)) is Reason.CREDENTIAL

    @pytest.mark.parametrize(
        ("mode", "account", "refused"),
        [
            (Mode.PAPER, LIVE, Reason.CREDENTIAL),
            (Mode.LIVE, Account(ACCOUNT, "paper", paper=True), Reason.CREDENTIAL),
            (Mode.LIVE, LIVE, None),
            (Mode.SHADOW, LIVE, None),
        ],
    )
    def test_real_money_moves_in_live_mode_only(self, mode: Mode, account: Account, refused: Reason | None) -> None:
        assert reason(a_strategy(mode=mode.value), around=surroundings(account=account)) is refused


class TestCoins:
    def test_those_that_pass_are_kept_in_the_signal_s_order(self) -> None:
        signal = a_signal(coins=["DOGE", "ETH", "BTC"])
        verdict = match(a_strategy(), signal, a_post(), surroundings())
        assert isinstance(verdict, Matched)
        assert verdict.coins == ("ETH", "BTC")

    def test_only_watched_coins_count(self) -> None:
        assert reason(watching(coins=["ETH"])) is Reason.COIN

    def test_only_coins_with_a_market_against_the_quote_count(self) -> None:
        assert reason(a_strategy(quote="EUR")) is Reason.COIN

    def test_a_signal_about_no_coin_trades_none(self) -> None:
        assert reason(a_strategy(), a_signal(coins=[])) is Reason.COIN


class TestConfidence:
    def test_the_least_confidence_is_enough(self) -> None:
        assert reason(a_strategy(), a_signal(confidence=0.6)) is None

    def test_less_is_not(self) -> None:
        assert reason(a_strategy(), a_signal(confidence=0.59)) is Reason.CONFIDENCE


class TestTime:
    def test_inside_one_of_the_windows_it_acts(self) -> None:
        windows = [{"days": ["sun"]}, {"start": "11:00", "end": "13:00"}]
        assert reason(a_strategy(time_windows=windows)) is None

    def test_outside_all_of_them_it_does_not(self) -> None:
        assert reason(a_strategy(time_windows=[{"start": "13:00"}])) is Reason.TIME_WINDOW


class TestAge:
    @pytest.mark.parametrize(
        ("seconds", "refused"), [(0, None), (300, None), (300.001, Reason.AGE), (-0.001, Reason.AGE)]
    )
    def test_a_post_is_fresh_for_so_long_and_never_from_the_future(self, seconds: float, refused: Reason) -> None:
        assert reason(a_strategy(), around=surroundings(after=seconds)) is refused


def test_a_strategy_that_is_switched_off_does_nothing() -> None:
    assert reason(a_strategy(enabled=False)) is Reason.DISABLED


def test_the_first_failing_rule_is_told_in_the_documented_order() -> None:
    watch_list = {"twitter_users": ["elonmusk"], "keywords": ["merge"], "coins": ["BTC"]}
    strategy = a_strategy(ANYTHING, watch_list=watch_list, time_windows=[{"start": "12:00", "end": "12:01"}])
    signal = {"coins": ["XYZ"], "confidence": 0.1}
    post = {"author": "nobody", "text": "nothing"}
    after = 3600.0
    told = []
    for fixed in ("author", "text", "coins", "confidence", "time", "age"):
        told.append(reason(strategy, a_signal(**signal), a_post(**post), surroundings(after=after)))
        post.pop(fixed, None)
        signal.pop(fixed, None)
        if fixed == "time":
            strategy = a_strategy(ANYTHING, watch_list=watch_list)
        if fixed == "age":
            after = 1
    assert told == [
        Reason.SOURCE,
        Reason.KEYWORDS,
        Reason.COIN,
        Reason.CONFIDENCE,
        Reason.TIME_WINDOW,
        Reason.AGE,
    ]
    assert reason(strategy, a_signal(**signal), a_post(**post), surroundings(after=after)) is None


@given(
    st.builds(
        a_signal,
        type=st.sampled_from(Direction),
        confidence=st.floats(0, 1),
        coins=st.lists(st.sampled_from(["BTC", "ETH", "DOGE"]), unique=True),
    ),
    st.sampled_from(["twitter", "telegram", "rss", f"push:{ALICE}", f"push:{BOB}"]),
    st.text(max_size=20),
    st.floats(-1000, 1000),
)
def test_nothing_stale_doubtful_or_private_is_ever_traded(
    signal: AnalysisSignal, source: str, text: str, after: float
) -> None:
    post, around = a_post(source=source, text=text), surroundings(after=after)
    verdict = match(a_strategy(DESIGN_EXAMPLE, watch_list={}), signal, post, around)
    if isinstance(verdict, NotMatched):
        assert verdict.detail
        return
    assert signal.confidence >= 0.6
    assert timedelta(0) <= around.now - NOON <= timedelta(seconds=300)
    assert signal.type is not Direction.NEUTRAL
    assert source != f"push:{BOB}"
    assert set(verdict.coins) <= {"BTC", "ETH"} & set(signal.coins)
