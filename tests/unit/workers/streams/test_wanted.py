"""Which streams there should be."""

from __future__ import annotations

from uuid import UUID

from workers.streams.wanted import Account, Lingering, Wanted, wanted

ANN, BOB = UUID(int=1), UUID(int=2)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_account_once_and_each_venues_pairs_together() -> None:
    rows = [
        (ANN, "paper", None, "BTC/USDT"),
        (ANN, "paper", None, "ETH/USDT"),
        (BOB, "paper", None, "BTC/USDT"),
    ]
    found = wanted(rows)
    assert [account.credential_id for account in found.accounts] == [ANN, BOB]
    assert found.pairs == {"paper": frozenset({"BTC/USDT", "ETH/USDT"})}


def test_nothing_held_or_ordered_wants_nothing() -> None:
    assert wanted([]) == Wanted()


def test_what_is_over_lingers_for_a_while() -> None:
    clock = Clock()
    lingering = Lingering(30, clock)
    lingering.add(wanted([(ANN, "paper", None, "BTC/USDT")]))
    clock.now = 29
    assert lingering.add(Wanted()).pairs == {"paper": frozenset({"BTC/USDT"})}
    clock.now = 31
    assert lingering.add(Wanted()) == Wanted()


def test_what_is_wanted_again_stays() -> None:
    clock = Clock()
    lingering = Lingering(30, clock)
    rows = [(ANN, "paper", None, "BTC/USDT")]
    for clock.now in (0.0, 25.0):
        lingering.add(wanted(rows))
    clock.now = 50
    assert lingering.add(Wanted()).accounts == (Account(ANN, "paper", None),)
