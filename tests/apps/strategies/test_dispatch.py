"""From signals to trade commands, on real rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from apps.accounts.models import Credential, CredentialStatus, User
from apps.exchanges.models import Venue
from apps.signals.models import Signal
from apps.sources.models import Post, PostImage
from apps.strategies import selectors, services
from apps.strategies.adapters.cache import hot
from apps.strategies.models import Cooldown, Match, StrategyVersion
from tests.apps.strategies.conftest import a_trader, an_account
from tests.unit.strategies.factories import ANYTHING, DESIGN_EXAMPLE
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.ids import stable_id
from tradebot.contracts.messages import AnalysisSignal, TradeCommand
from tradebot.contracts.values import Action, Leg, Mode
from workers.dispatch import dispatch

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_cache() -> Iterator[None]:
    hot.cache_clear()
    yield
    hot.cache_clear()


def a_post(text: str = "The merge is done.", *, at: datetime | None = None, **changes: Any) -> Post:
    at = at or timezone.now()
    given: dict[str, Any] = {
        "id": uuid4(),
        "story_id": uuid4(),
        "source": "twitter",
        "author": "elonmusk",
        "native_id": str(uuid4()),
        "clean_text": text,
        "posted_at": at,
        "seen_at": at,
        "root_id": "root",
    }
    return Post.objects.create(**{**given, **changes})


def heard(post: Post | None = None, **changes: Any) -> AnalysisSignal:
    """The message of a signal, with the rows that it stands on."""
    post = post or a_post()
    given: dict[str, Any] = {"type": "bullish", "confidence": 0.92, "coins": ["BTC"]}
    row = Signal.objects.create(
        id=uuid4(), post=post, timestamp=post.posted_at, **{**given, **{k: changes[k] for k in changes if k in given}}
    )
    message: dict[str, Any] = {
        "id": str(row.pk),
        "root_id": post.root_id,
        "seen_at": post.seen_at,
        "signal_id": str(row.pk),
        "evidence": [],
        "sources": [f"{post.source}:{post.author}"],
        "timestamp": post.posted_at,
        "post_id": str(post.pk),
        "owner_id": str(post.owner_id) if post.owner_id else None,
    }
    return AnalysisSignal(**{**message, **given, **changes})


def reasons(strategy_id: UUID) -> list[str]:
    return list(Match.objects.filter(strategy=strategy_id).order_by("id").values_list("reason", flat=True))


def test_the_documented_strategy_buys_on_the_merge(alice: User) -> None:
    strategy = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
    signal = heard()
    (command,) = dispatch([signal])
    assert command == TradeCommand(
        id=str(stable_id("command", strategy.id, signal.signal_id, Leg.ENTRY)),
        root_id="root",
        parent_id=signal.id,
        seen_at=signal.seen_at,
        user_id=str(alice.pk),
        action=Action.BUY,
        pair="BTC/USDT",
        amount_type=command.amount_type,
        amount=command.amount,
        conditions=command.conditions,
        signal_id=signal.signal_id,
        strategy_id=str(strategy.id),
        credential_id=str(Credential.objects.get().pk),
        leg=Leg.ENTRY,
        expires_at=signal.timestamp + timedelta(seconds=300),
        exchange="paper",
        mode=Mode.PAPER,
    )
    assert (command.amount_type, command.amount) == ("percentage", 30)
    assert [(term.kind, term.value) for term in command.conditions] == [("max_amount", "5000")]


def test_the_match_is_recorded_with_its_command(alice: User) -> None:
    strategy = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
    signal = heard()
    (command,) = dispatch([signal])
    row = Match.objects.get()
    assert (row.strategy_id, str(row.signal_id), row.version, row.matched) == (strategy.id, signal.signal_id, 1, True)
    assert (row.reason, row.coin, row.pair) == ("", "BTC", "BTC/USDT")
    assert row.command is not None
    assert row.command["id"] == command.id
    told = selectors.decision(strategy.id, UUID(signal.signal_id))
    assert told is not None
    assert told.detail == "bullish 0.92 from twitter:elonmusk: buy BTC/USDT with 30 % of free USDT, max_amount 5000"


def test_the_signal_is_marked_as_dispatched(alice: User) -> None:
    signal = heard()
    dispatch([signal])
    assert Signal.objects.get(pk=signal.signal_id).dispatched_at is not None


@pytest.mark.parametrize(
    ("post", "signal", "spec", "reason"),
    [
        ({"author": "nobody"}, {}, DESIGN_EXAMPLE, "source"),
        ({"text": "Nothing new."}, {}, DESIGN_EXAMPLE, "keywords"),
        ({}, {"type": "bearish"}, {"actions": {"bullish": {"percentage": 5}}}, "no_action"),
        ({}, {"coins": ["XYZ"]}, DESIGN_EXAMPLE, "coin"),
        ({}, {"confidence": 0.5}, DESIGN_EXAMPLE, "confidence"),
        ({"at": timezone.now() - timedelta(hours=1)}, {}, DESIGN_EXAMPLE, "age"),
        ({"at": timezone.now() + timedelta(hours=1)}, {}, DESIGN_EXAMPLE, "age"),
    ],
)
def test_what_does_not_match_is_recorded_with_its_reason(
    alice: User, post: dict[str, Any], signal: dict[str, Any], spec: dict[str, Any], reason: str
) -> None:
    strategy = services.create(user_id=alice.pk, raw=spec)
    assert dispatch([heard(a_post(**post), **signal)]) == []
    row = Match.objects.get()
    assert (row.strategy_id, row.matched, row.reason, row.command) == (strategy.id, False, reason, None)
    assert row.detail


def test_a_signal_that_found_no_strategies_is_decided_for_good(alice: User) -> None:
    signal = heard()
    assert dispatch([signal]) == []
    services.create(user_id=alice.pk, raw=ANYTHING)

    assert dispatch([signal]) == []
    assert not Match.objects.exists()


def test_words_in_pictures_count(alice: User) -> None:
    services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
    picture = "https://pictures.invalid/1.png"
    post = a_post("Look at this!", media_urls=[picture])
    PostImage.objects.create(post=post, index=0, url=picture, text="ETHEREUM MERGE COMPLETE")
    assert len(dispatch([heard(post)])) == 1


def test_a_private_post_reaches_its_owner_s_strategies_alone(alice: User, bob: User) -> None:
    mine = services.create(user_id=alice.pk, raw=ANYTHING)
    other = services.create(user_id=bob.pk, raw=ANYTHING)
    (command,) = dispatch([heard(a_post(source=f"push:{alice.pk}", owner=alice))])
    assert command.strategy_id == str(mine.id)
    assert reasons(other.id) == ["owner"]


def test_strategies_that_are_off_deleted_or_of_a_closed_account_are_not_asked(alice: User, bob: User) -> None:
    services.create(user_id=alice.pk, raw={**ANYTHING, "enabled": False})
    services.delete(strategy_id=services.create(user_id=alice.pk, raw=ANYTHING).id)
    services.create(user_id=bob.pk, raw=ANYTHING)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert dispatch([heard()]) == []
    assert not Match.objects.exists()


class TestAccount:
    def test_without_an_active_one_nothing_is_traded(self, alice: User) -> None:
        strategy = services.create(user_id=alice.pk, raw=ANYTHING)
        Credential.objects.update(status=CredentialStatus.REFUSED)
        assert dispatch([heard()]) == []
        assert reasons(strategy.id) == ["credential"]

    def test_at_an_exchange_that_is_off_nothing_is_traded(self, alice: User) -> None:
        strategy = services.create(user_id=alice.pk, raw=ANYTHING)
        Venue.objects.filter(name="paper").update(enabled=False)
        assert dispatch([heard()]) == []
        assert reasons(strategy.id) == ["credential"]

    def test_a_test_network_holds_no_money_so_paper_may_use_it(self, alice: User) -> None:
        Venue.objects.filter(name="binance").update(sandbox=True)
        mine = an_account(alice, "binance")
        services.create(user_id=alice.pk, raw={**ANYTHING, "credential_id": str(mine.pk)})
        assert [command.exchange for command in dispatch([heard()])] == ["binance"]

    def test_the_chosen_one_is_used(self, alice: User, settings: Settings) -> None:
        settings.BROKER_URL = "amqp://broker.invalid//"
        mine = an_account(alice, "binance")
        services.create(user_id=alice.pk, raw={**ANYTHING, "credential_id": str(mine.pk), "mode": "live"})
        (command,) = dispatch([heard()])
        assert (command.credential_id, command.exchange, command.mode) == (str(mine.pk), "binance", Mode.LIVE)


class TestRedelivery:
    def test_gets_the_very_same_commands(self, alice: User, bob: User) -> None:
        for user in (alice, bob):
            services.create(user_id=user.pk, raw=DESIGN_EXAMPLE)
        signals = [heard(), heard(coins=["ETH"])]
        first = dispatch(signals)
        assert len(first) == 4
        assert sorted(dispatch(signals), key=lambda c: c.id) == sorted(first, key=lambda c: c.id)
        assert Match.objects.count() == 4

    @pytest.mark.parametrize("change", ["edited", "disabled", "deleted", "account refused"])
    def test_decides_nothing_again_whatever_changed(self, alice: User, change: str) -> None:
        strategy = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
        signal = heard()
        first = dispatch([signal])
        changes: dict[str, Callable[[], object]] = {
            "edited": lambda: services.update(
                strategy_id=strategy.id, changes={"actions": {"bullish": {"percentage": 99}}}, author_id=alice.pk
            ),
            "disabled": lambda: services.update(
                strategy_id=strategy.id, changes={"enabled": False}, author_id=alice.pk
            ),
            "deleted": lambda: services.delete(strategy_id=strategy.id),
            "account refused": lambda: Credential.objects.update(status=CredentialStatus.REFUSED),
        }
        changes[change]()
        assert dispatch([signal]) == first

    def test_of_a_refused_signal_stays_refused(self, alice: User) -> None:
        strategy = services.create(user_id=alice.pk, raw={**DESIGN_EXAMPLE, "min_confidence": 0.99})
        signal = heard()
        assert dispatch([signal]) == []
        services.update(strategy_id=strategy.id, changes={"min_confidence": 0.1}, author_id=alice.pk)
        assert dispatch([signal]) == []
        assert reasons(strategy.id) == ["confidence"]

    def test_beside_new_signals_leaves_them_alone(self, alice: User) -> None:
        services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
        old, new = heard(), heard(coins=["ETH"])
        first = dispatch([old])
        assert [command.pair for command in dispatch([old, new])] == [first[0].pair, "ETH/USDT"]

    def test_within_one_batch_counts_once(self, alice: User) -> None:
        services.create(user_id=alice.pk, raw={**DESIGN_EXAMPLE, "cooldown_minutes": 0})
        signal = heard()
        assert len(dispatch([signal, signal])) == 1


class TestCoolDown:
    def test_keeps_a_strategy_from_the_same_coin(self, alice: User) -> None:
        strategy = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
        assert len(dispatch([heard()])) == 1
        assert dispatch([heard()]) == []
        assert reasons(strategy.id) == ["", "cooldown"]

    def test_keeps_no_other_coin_and_no_other_strategy(self, alice: User) -> None:
        first = services.create(user_id=alice.pk, raw={**DESIGN_EXAMPLE, "watch_list": {"coins": ["BTC", "ETH"]}})
        dispatch([heard()])
        second = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
        commands = dispatch([heard(), heard(coins=["ETH"])])
        assert {(command.strategy_id, command.pair) for command in commands} == {
            (str(second.id), "BTC/USDT"),
            (str(first.id), "ETH/USDT"),
            (str(second.id), "ETH/USDT"),
        }

    def test_lets_the_next_coin_of_the_signal_be_traded(self, alice: User) -> None:
        services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
        dispatch([heard()])
        assert [command.pair for command in dispatch([heard(coins=["BTC", "DOGE"])])] == ["DOGE/USDT"]

    def test_ends(self, alice: User) -> None:
        services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
        dispatch([heard()])
        Cooldown.objects.update(until=timezone.now())
        assert len(dispatch([heard()])) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"post_id": str(uuid4())}, "post_id"),
        ({"post_id": "17"}, "post_id"),
        ({"signal_id": "signal_123"}, "signal_id"),
    ],
)
def test_a_signal_that_stands_on_nothing_is_refused_by_name(alice: User, changes: dict[str, Any], field: str) -> None:
    services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
    with pytest.raises(InvalidField) as caught:
        dispatch([heard(**changes)])
    assert caught.value.field == field
    assert not Match.objects.exists()


def test_a_stored_strategy_that_can_no_longer_be_read_stops_nobody_else(alice: User) -> None:
    broken = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
    StrategyVersion.objects.filter(strategy=broken.id).update(spec={"actions": {}})
    whole = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
    assert [command.strategy_id for command in dispatch([heard()])] == [str(whole.id)]


def test_many_strategies_cost_no_more_statements_than_one(
    alice: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(30):
        services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
    dispatch([heard()])
    batch = [heard(coins=["ETH"]) for _ in range(10)]
    with django_assert_max_num_queries(14):
        assert len(dispatch(batch)) == 30
    assert Match.objects.count() == 30 + 300


def together(work: Sequence[Callable[[], list[TradeCommand]]]) -> list[list[TradeCommand]]:
    """Run at the same moment, each on a connection of its own."""
    start = Barrier(len(work))

    def one(job: Callable[[], list[TradeCommand]]) -> list[TradeCommand]:
        start.wait(timeout=30)
        try:
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(work)) as pool:
        return [done.result(timeout=60) for done in [pool.submit(one, job) for job in work]]


@pytest.mark.django_db(transaction=True)
class TestAtTheSameMoment:
    def test_two_deliveries_of_a_signal_give_one_decision(self) -> None:
        for name in ("carol", "dave"):
            services.create(user_id=a_trader(name).pk, raw=DESIGN_EXAMPLE)
        signal = heard()
        first, *others = together([lambda: dispatch([signal])] * 4)
        assert len(first) == 2
        for other in others:
            assert sorted(other, key=lambda c: c.id) == sorted(first, key=lambda c: c.id)
        assert Match.objects.count() == 2

    def test_two_signals_about_a_coin_give_one_command(self) -> None:
        strategy = services.create(user_id=a_trader("carol").pk, raw=DESIGN_EXAMPLE)
        signals = [heard() for _ in range(4)]
        given = together([lambda signal=signal: dispatch([signal]) for signal in signals])  # type: ignore[misc]
        assert sum(map(len, given)) == 1
        assert sorted(reasons(strategy.id)) == ["", "cooldown", "cooldown", "cooldown"]
