"""How long to wait before connecting again."""

from __future__ import annotations

import pytest

from workers.streams.backoff import Backoff


def test_each_wait_is_twice_as_long_until_the_longest() -> None:
    backoff = Backoff(first=1, most=10, chance=lambda: 1.0)
    assert [backoff.failed(0) for _ in range(6)] == [1, 2, 4, 8, 10, 10]


def test_half_of_a_wait_is_chance() -> None:
    shortest = Backoff(first=4, chance=lambda: 0.0)
    assert shortest.failed(0) == 2


def test_a_connection_that_held_starts_anew() -> None:
    backoff = Backoff(first=1, steady=30, chance=lambda: 1.0)
    for _ in range(4):
        backoff.failed(0)
    assert backoff.failed(31) == 1
    assert backoff.failed(29) == 2


def test_years_of_failures_do_not_overflow() -> None:
    assert Backoff(failures=100_000, chance=lambda: 1.0).failed(0) == 30


def test_accounts_that_were_cut_off_together_do_not_all_come_back_together() -> None:
    waits = {Backoff().failed(0) for _ in range(20)}
    assert len(waits) > 10
    assert all(0.25 <= wait <= 0.5 for wait in waits)


@pytest.mark.parametrize("failures", range(8))
def test_a_wait_is_never_nothing(failures: int) -> None:
    assert Backoff(failures=failures, chance=lambda: 0.0).failed(0) > 0
