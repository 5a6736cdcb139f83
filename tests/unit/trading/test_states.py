"""An order's life goes one way, whatever the venue reports and in whichever order."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from apps.trading.domain.states import (
    IN_DOUBT,
    LIVE,
    TERMINAL,
    Absence,
    OrderStatus,
    Progress,
    absence,
    is_terminal,
    may_follow,
    merge,
)

WORDS = ["synthetic_word", "open", "partially_filled", "filled", "canceled", "expired", "rejected"]
AMOUNT = Decimal(10)
reports = st.tuples(st.sampled_from(WORDS), st.decimals(0, 12, places=2))


@given(st.sampled_from(list(OrderStatus)), st.lists(reports, max_size=12))
def test_filled_never_falls_and_what_ended_stays_ended(first: OrderStatus, told: list[tuple[str, Decimal]]) -> None:
    steps = [Progress(first)]
    for status, filled in told:
        steps.append(merge(steps[-1], status, filled, AMOUNT))
    for old, new in pairwise(steps):
        assert old.filled <= new.filled <= AMOUNT
        assert may_follow(old.status, new.status)
        if is_terminal(old.status) and old.status != OrderStatus.NOT_PLACED:
            assert new.status == old.status


@given(st.permutations([("open", "0"), ("partially_filled", "4"), ("filled", "10")]), st.integers(1, 3))
def test_the_end_is_the_same_in_every_order_and_number_of_reports(told: list[tuple[str, str]], times: int) -> None:
    known = Progress(OrderStatus.SUBMITTING)
    for status, filled in told * times:
        known = merge(known, status, Decimal(filled), AMOUNT)
    assert known == Progress(OrderStatus.FILLED, AMOUNT)


def test_an_order_that_shows_up_after_all_is_believed() -> None:
    late = merge(Progress(OrderStatus.NOT_PLACED), "filled", AMOUNT, AMOUNT)
    assert late.status == OrderStatus.FILLED


def test_a_cancelled_order_that_was_filled_whole_is_filled() -> None:
    assert merge(Progress(OrderStatus.OPEN), "canceled", AMOUNT, AMOUNT).status == OrderStatus.FILLED


def test_every_status_is_either_live_or_at_its_end() -> None:
    assert frozenset(OrderStatus) == LIVE | TERMINAL
    assert not LIVE & TERMINAL


@given(st.integers(0, 9), st.booleans(), st.booleans(), st.booleans())
def test_absence_is_proven_only_when_nothing_speaks_against_it(
    misses: int, overdue: bool, proves: bool, explained: bool
) -> None:
    verdict = absence(misses=misses, needed=3, overdue=overdue, proves=proves, explained=explained)
    assert (verdict == Absence.PROVEN) == (misses >= 3 and overdue and proves and explained)
    assert (verdict == Absence.WAIT) == (misses < 3 or not overdue)


class Life(RuleBasedStateMachine):
    """Our own conclusions and the venue's reports, mixed at random."""

    def __init__(self) -> None:
        super().__init__()
        self.known = Progress(OrderStatus.INTENT)
        self.most = Decimal(0)
        self.ended: OrderStatus | None = None
        self.misses = 0
        self.overdue = False

    @rule(status=st.sampled_from([OrderStatus.SUBMITTING, OrderStatus.UNKNOWN, OrderStatus.NOT_PLACED]))
    def conclude(self, status: OrderStatus) -> None:
        if may_follow(self.known.status, status):
            self.known = Progress(status, self.known.filled)
        self._note()

    @precondition(lambda self: self.known.status in IN_DOUBT)
    @rule(proves=st.booleans(), explained=st.booleans())
    def miss(self, proves: bool, explained: bool) -> None:
        """The venue does not know it: the way the order manager reads that."""
        self.misses += 1
        verdict = absence(misses=self.misses, needed=3, overdue=self.overdue, proves=proves, explained=explained)
        ends = OrderStatus.NOT_PLACED if verdict == Absence.PROVEN else OrderStatus.UNKNOWN
        assert may_follow(self.known.status, ends)
        self.known = Progress(ends, self.known.filled)
        assert ends != OrderStatus.NOT_PLACED or (self.overdue and self.misses >= 3)
        self._note()

    @rule()
    def wait(self) -> None:
        self.overdue = True

    @rule(report=reports)
    def hear(self, report: tuple[str, Decimal]) -> None:
        self.known = merge(self.known, *report, AMOUNT)
        self._note()

    def _note(self) -> None:
        self.most = max(self.most, self.known.filled)
        if self.known.status in TERMINAL - {OrderStatus.NOT_PLACED}:
            self.ended = self.ended or self.known.status

    @invariant()
    def never_back(self) -> None:
        assert self.known.filled == self.most
        assert self.ended is None or self.known.status == self.ended

    @invariant()
    def filled_means_filled(self) -> None:
        assert self.known.status != OrderStatus.FILLED or self.known.filled > 0


TestLife = Life.TestCase
