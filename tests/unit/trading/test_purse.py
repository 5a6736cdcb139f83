"""Balances may be a moment old, together with the count that says which orders they can't show yet."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from uuid import UUID, uuid4

import pytest

from apps.trading.services.purse import KEPT, SECONDS, Balances, Purse
from tradebot.contracts.errors import VenueUnavailable
from tradebot.contracts.ports import Balance


class Bank:
    """A clock that is moved by hand, and a venue that owns one coin more each time it is asked."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.purse = Purse(lambda: self.now)
        self._asked = count(1)

    def ask(self) -> Balances:
        return {"USDT": Balance(Decimal(next(self._asked)), Decimal(0))}

    def look(self, account: UUID, sequence: int) -> tuple[int, int]:
        """The count, and how often the venue had been asked."""
        seen = self.purse.look(account, sequence, self.ask)
        return seen.sequence, int(seen.balances["USDT"].free)


@pytest.fixture
def bank() -> Bank:
    return Bank()


def test_a_second_look_gives_the_first_ones_count_too(bank: Bank) -> None:
    account = uuid4()
    assert [bank.look(account, 5), bank.look(account, 6)] == [(5, 1), (5, 1)]


def test_old_balances_are_asked_for_anew(bank: Bank) -> None:
    account = uuid4()
    bank.look(account, 5)
    bank.now += SECONDS
    assert bank.look(account, 6) == (6, 2)


def test_accounts_don_t_see_each_other_s(bank: Bank) -> None:
    assert [bank.look(uuid4(), 1), bank.look(uuid4(), 1)] == [(1, 1), (1, 2)]


def test_what_is_forgotten_is_asked_for_again(bank: Bank) -> None:
    account = uuid4()
    bank.look(account, 5)
    bank.purse.forget(account)
    assert bank.look(account, 7) == (7, 2)


def test_a_venue_that_does_not_answer_leaves_nothing_behind(bank: Bank) -> None:
    def silent() -> Balances:
        raise VenueUnavailable("no answer")

    account = uuid4()
    with pytest.raises(VenueUnavailable):
        bank.purse.look(account, 5, silent)
    assert bank.look(account, 6) == (6, 1)


def test_only_so_many_accounts_are_kept(bank: Bank) -> None:
    first = uuid4()
    bank.look(first, 1)
    for _ in range(KEPT):
        bank.look(uuid4(), 1)
    assert bank.look(first, 2) == (2, KEPT + 2)
