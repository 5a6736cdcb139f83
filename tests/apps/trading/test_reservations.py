"""Whatever happens in whatever order, what is promised to orders is reserved, no more and no less, and given back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from apps.trading import services
from apps.trading.domain.states import LIVE
from apps.trading.models import Command, Fill, Order, Position, RiskPolicy
from apps.trading.services import decide
from tests.apps.trading import fake_venue as faults
from tests.apps.trading.conftest import Trader, make_trader
from tests.apps.trading.fake_venue import BTC, FakeVenue, Standing
from tradebot.contracts.errors import VenueError
from tradebot.contracts.messages import TradeCommand
from tradebot.contracts.ports import Features
from tradebot.contracts.values import ZERO, Action, AmountType, Leg, OrderType

THEIRS = Decimal(3)
"""Coins of the user's own in every account: the bot must never touch them."""

ENTRY_LIMITS = {"kill_switch", "position_limit", "max_daily_loss", "cooling_period", "blacklist"}
DUST = Decimal("1e-12")
LIVES = {status.value for status in LIVE}

Fault = Callable[..., Any]
accounts = st.integers(0, 2)
percents = st.integers(5, 100).map(Decimal)
switches = st.sampled_from(["active", "active", "active", "reducing", "halted"])
limits = st.sampled_from([None, Decimal(1500), Decimal(4000)])
wrong = st.sampled_from(
    [
        faults.rejected,
        faults.answer_lost,
        faults.lost_on_the_way,
        faults.unreachable,
        faults.killed_before_sending,
        faults.killed_after_sending,
    ]
)
maybe_wrong = st.one_of(st.none(), wrong)
guards = st.sampled_from([{}, {"stop_loss": 5}, {"take_profit": 4}, {"stop_loss": 5, "take_profit": 4}])


@dataclass(frozen=True)
class Books:
    """An account's rows of this moment."""

    trader: Trader
    orders: list[Order]
    filled: Decimal
    held: Decimal


def _books(traders: list[Trader]) -> list[Books]:
    mine = {"credential__in": [trader.credential for trader in traders]}
    orders: dict[UUID, list[Order]] = defaultdict(list)
    filled: dict[UUID, Decimal] = defaultdict(Decimal)
    for order in Order.objects.filter(**mine).select_related("command"):
        orders[order.credential_id].append(order)
    for fill in Fill.objects.filter(**mine):
        filled[fill.credential_id] += fill.amount if fill.side == Action.BUY else -fill.amount
    held = dict(Position.objects.filter(**mine).values_list("credential_id", "amount"))
    keys = [(trader, trader.credential.pk) for trader in traders]
    return [Books(trader, orders[key], filled[key], held.get(key, ZERO)) for trader, key in keys]


def _positions_are_what_was_filled(books: Books) -> None:
    assert books.held == books.filled >= 0


def _nobody_spends_what_is_not_there(books: Books) -> None:
    """A reservation that is forgotten shows here: the exchange refuses what was promised twice."""
    assert all(free >= 0 for free in books.trader.venue.free.values()), books.trader.venue.free
    entries = [order for order in books.orders if order.leg == Leg.ENTRY]
    assert not [order for order in entries if "-2010" in order.reason]


def _no_coin_is_promised_twice(books: Books) -> None:
    """Neither by the rows nor at the exchange, which would take the user's own coins for a second sale."""
    exits = [order.reserved_base for order in books.orders if order.leg == Leg.EXIT]
    assert sum(exits, ZERO) <= books.held
    venue = books.trader.venue
    assert venue.free["BTC"] + venue.used.get("BTC", ZERO) >= THEIRS


class Accounts(RuleBasedStateMachine):
    """Three accounts of two users, the first two of one person."""

    @initialize(offered=st.sampled_from([Features(), Features(oco=True, replace=True), Features(stop_loss=False)]))
    def begin(self, offered: Features) -> None:
        RiskPolicy.objects.all().delete()
        first, second, third = (make_trader(name) for name in ("one", "two", "three"))
        second.credential.user = second.user = first.user
        second.credential.save()
        self.traders = [first, second, third]
        self.sent: list[tuple[Trader, TradeCommand]] = []
        for trader in self.traders:
            trader.venue = FakeVenue(USDT="10000", BTC=str(THEIRS))
            trader.venue.clock, trader.venue.features = trader.clock, offered

    # --- what people and posts want ---

    @rule(number=accounts, percent=percents, limit=st.booleans(), guarded=guards, fault=maybe_wrong)
    def buy(self, number: int, percent: Decimal, limit: bool, guarded: dict[str, int], fault: Fault | None) -> None:
        trader = self._trader(number, fault)
        price = {"order_type": "limit", "limit_price": str(trader.venue.price - 100)} if limit else {}
        command = trader.command(amount=percent, conditions={**guarded, **price})
        before = _exposure(trader)
        self._run(trader, command)
        _obeys(trader, command, before)

    @rule(number=accounts, quote=st.integers(1, 12_000).map(Decimal), fault=maybe_wrong)
    def buy_for(self, number: int, quote: Decimal, fault: Fault | None) -> None:
        trader = self._trader(number, fault)
        before = _exposure(trader)
        command = trader.command(amount=quote, amount_type=AmountType.FIXED)
        self._run(trader, command)
        _obeys(trader, command, before)

    @rule(number=accounts, percent=percents, guarded=guards, fault=maybe_wrong)
    def sell(self, number: int, percent: Decimal, guarded: dict[str, int], fault: Fault | None) -> None:
        trader = self._trader(number, fault)
        command = trader.sell(str(percent), conditions=guarded)
        self._run(trader, command)
        row = Command.objects.filter(signal_id=command.signal_id).first()
        assert row is None or row.code not in ENTRY_LIMITS, row.reason

    @rule(which=st.integers(0, 50))
    def come_again(self, which: int) -> None:
        """The broker delivers a command once more."""
        if self.sent:
            self._run(*self.sent[which % len(self.sent)])

    def _trader(self, number: int, fault: Fault | None) -> Trader:
        """Whose next order goes wrong in this way, unless another way is waiting for it."""
        trader = self.traders[number]
        if fault and not trader.venue.faults:
            trader.venue.faults.append(fault)
        return trader

    def _run(self, trader: Trader, command: TradeCommand) -> None:
        self.sent.append((trader, command))
        with suppress(faults.Killed, VenueError):
            trader.execute(command)

    # --- what limits them ---

    @rule(number=st.sampled_from([None, 0, 2]), switch=switches, limit=limits)
    def change_policy(self, number: int | None, switch: str, limit: Decimal | None) -> None:
        """That of one user, or the platform's."""
        user = None if number is None else self.traders[number].user
        changes = {"kill_switch": switch, "position_limit": limit}
        RiskPolicy.objects.update_or_create(user=user, defaults=changes)

    # --- what the exchange does ---

    @rule(number=accounts, fault=wrong)
    def go_wrong(self, number: int, fault: Fault) -> None:
        """With the next order but one, too: a guard's, or that of another attempt."""
        if len(self.traders[number].venue.faults) < 2:
            self.traders[number].venue.faults.append(fault)

    @rule(number=accounts, depth=st.sampled_from([None, Decimal("0.01"), ZERO]))
    def dry_up(self, number: int, depth: Decimal | None) -> None:
        """From now on a market order finds only so much: the rest of it expires."""
        self.traders[number].venue.liquidity = depth

    @rule(number=accounts, which=st.integers(0, 9), share=st.sampled_from(["0.3", "1"]))
    def fill(self, number: int, which: int, share: str) -> None:
        venue = self.traders[number].venue
        if order := _one_of(venue, which):
            left = order.request.amount - order.filled
            venue.fill(order, str((left * Decimal(share)).quantize(Decimal("0.00001"))))

    @rule(number=accounts, which=st.integers(0, 9))
    def cancel_by_hand(self, number: int, which: int) -> None:
        venue = self.traders[number].venue
        if order := _one_of(venue, which):
            venue.cancel(BTC, order.request.client_id)

    @rule(number=accounts, price=st.integers(27_000, 33_000))
    def move(self, number: int, price: int) -> None:
        trader = self.traders[number]
        trader.venue.move(str(price))
        with suppress(faults.Killed, VenueError):
            told = trader.venue.ticker(BTC)
            services.on_price(venue=trader.venue, credential_id=trader.credential.pk, ticker=told, now=trader.clock)

    @rule(number=accounts, rounds=st.sampled_from([1, 1, 4]))
    def reconcile(self, number: int, rounds: int) -> None:
        """Four rounds are enough to prove that an order was never placed."""
        for _ in range(rounds):
            _round(self.traders[number])

    # --- what must hold after every step ---

    @invariant()
    def everything_adds_up(self) -> None:
        for books in _books(self._traders()):
            self.reserved_is_what_live_orders_may_still_take(books)
            _positions_are_what_was_filled(books)
            _nobody_spends_what_is_not_there(books)
            _no_coin_is_promised_twice(books)

    def reserved_is_what_live_orders_may_still_take(self, books: Books) -> None:
        for order in books.orders:
            quote, base = _promised(order)
            assert abs(order.reserved_quote - quote) <= DUST, order
            assert order.reserved_base == base, order

    def teardown(self) -> None:
        """Everything calms down: what ended holds nothing back, and what is held can be sold whatever the limits."""
        for trader in self._traders():
            _calm(trader)
        for books in _books(self._traders()):
            open_ = [order for order in books.orders if order.status in LIVES]
            assert all(order.leg == Leg.PROTECT and order.status == "OPEN" for order in open_), open_
            assert sum(order.reserved_quote for order in books.orders) == 0
            assert sum(order.reserved_base for order in open_) <= books.held
        RiskPolicy.objects.update_or_create(user=None, defaults={"kill_switch": "halted"})
        for trader in self._traders():
            self._sells_all(trader)

    def _sells_all(self, trader: Trader) -> None:
        if trader.held() * trader.venue.price < Decimal(10):
            return
        command = trader.sell(100)
        self._run(trader, command)
        assert Command.objects.get(signal_id=command.signal_id).code == "filled"
        _calm(trader)
        assert trader.held() * trader.venue.price < Decimal(10)
        assert not Order.objects.filter(credential=trader.credential, status__in=LIVES).exists()

    def _traders(self) -> list[Trader]:
        return getattr(self, "traders", [])


def _one_of(venue: FakeVenue, which: int) -> Standing | None:
    standing = venue.standing()
    return standing[which % len(standing)] if standing else None


def _round(trader: Trader) -> None:
    trader.clock.forward(20)
    with suppress(faults.Killed, VenueError):
        trader.reconcile()


def _calm(trader: Trader) -> None:
    """No fault any more, deep markets, nobody's limit order left, and time for all that is unfinished."""
    trader.venue.faults.clear()
    trader.venue.liquidity = None
    unfinished = Order.objects.filter(credential=trader.credential, status__in=LIVES)
    for _ in range(6):
        for order in trader.venue.standing():
            if order.request.type == OrderType.LIMIT:
                trader.venue.cancel(BTC, order.request.client_id)
        _round(trader)
        if not unfinished.exclude(leg=Leg.PROTECT.value, status="OPEN").exists():
            return


def _promised(order: Order) -> tuple[Decimal, Decimal]:
    """What a row should reserve, reckoned from what was decided: quote and base."""
    if order.status not in LIVES:
        return ZERO, ZERO
    left = order.amount - order.filled
    if order.side == Action.SELL:
        return ZERO, left if order.oco in {None, order.pk} else ZERO
    cost = Decimal(order.command.decision["order"]["cost"])
    return cost * left / order.amount, ZERO


def _exposure(trader: Trader) -> Decimal:
    """What the account holds and its open purchases may bring, at the present price."""
    mine = Order.objects.filter(credential=trader.credential, leg=Leg.ENTRY.value, status__in=LIVES)
    coming = sum(((order.amount - order.filled) * (order.price or trader.venue.price) for order in mine), ZERO)
    return trader.held() * trader.venue.price + coming


def _obeys(trader: Trader, command: TradeCommand, before: Decimal) -> None:
    """If an order was made of this command just now, every limit allowed it."""
    order = Order.objects.filter(command__signal_id=command.signal_id).first()
    if order is None:
        return
    for policy in RiskPolicy.objects.filter(user__in=[trader.user]) | RiskPolicy.objects.filter(user=None):
        assert policy.kill_switch == "active"
        cost = order.amount * (order.price or trader.venue.price)
        assert policy.position_limit is None or before + cost <= policy.position_limit


QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


def _play(machine: type[RuleBasedStateMachine], examples: int, **more: Any) -> None:
    chosen = settings(
        max_examples=examples, stateful_step_count=30, deadline=None, suppress_health_check=QUIET, database=None, **more
    )
    run_state_machine_as_test(machine, settings=chosen)


def test_reservations_hold_in_every_order_of_events(db: None) -> None:
    _play(Accounts, 12)


class Spenders(Accounts):
    """Looks at what is spent and sold alone, not at what the rows say is reserved."""

    def reserved_is_what_live_orders_may_still_take(self, books: Books) -> None:
        return None


@pytest.mark.parametrize("machine", [Accounts, Spenders], ids=["in the rows", "in what is spent"])
def test_a_forgotten_reservation_is_noticed(
    db: None, monkeypatch: pytest.MonkeyPatch, machine: type[RuleBasedStateMachine]
) -> None:
    """The same events with an engine that reserves nothing: if they did not tell, they would be worth nothing."""
    monkeypatch.setattr(decide, "new_order", _unreserved(decide.new_order))
    with pytest.raises(AssertionError):
        _play(machine, 60, derandomize=True, phases=[Phase.generate], report_multiple_bugs=False)


def _unreserved(real: Callable[..., Order]) -> Callable[..., Order]:
    return lambda *given, **terms: real(*given, **{**terms, "reserved_quote": ZERO, "reserved_base": ZERO})
