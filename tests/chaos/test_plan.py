"""The plan of a seed: repeatable, and within what was asked for."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chaos.plan import KINDS, MOVE, PAIRS, PROTECTIONS, SLOW_TO_HEAL, plan


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_seed_always_gives_the_same_plan(seed: int) -> None:
    first = plan(seed, signals=60, users=12, faults=6)

    assert plan(seed, signals=60, users=12, faults=6) == first


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_everybody_posts_and_buys_first(seed: int) -> None:
    made = plan(seed, signals=60, users=12, faults=6)

    assert len(made.posts) == 60
    assert {post.user for post in made.posts[:12]} == set(range(12))
    assert all(post.bullish for post in made.posts[:12])


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_faults_strike_in_order_and_before_the_end(seed: int) -> None:
    made = plan(seed, signals=60, users=12, faults=6)

    moments = [fault.after for fault in made.faults]
    assert moments == sorted(set(moments))
    assert all(0 <= moment < 54 for moment in moments)
    assert sum(fault.kind in SLOW_TO_HEAL for fault in made.faults) <= 1


def test_twenty_seeds_hold_every_kind_of_fault() -> None:
    drawn = {fault.kind for seed in range(1, 21) for fault in plan(seed, signals=300, users=50, faults=8).faults}

    assert drawn == set(KINDS)


def test_twenty_seeds_hold_every_kind_of_protection() -> None:
    drawn = {kind for seed in range(1, 21) for kind in plan(seed, signals=300, users=50, faults=8).protections}

    assert drawn == set(PROTECTIONS)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_prices_start_where_they_were_listed_and_move_in_order(seed: int) -> None:
    made = plan(seed, signals=60, users=12, faults=6, moves=9)

    assert {(move.pair, move.percent) for move in made.moves[: len(PAIRS)]} == {(pair, 100) for pair in PAIRS}
    assert [move.after for move in made.moves] == sorted(move.after for move in made.moves)
    assert all(MOVE[0] <= move.percent <= MOVE[1] for move in made.moves)
    assert made.lowest() <= 1 <= made.lowest() * made.widest()
    assert made.posts == plan(seed, signals=60, users=12, faults=6).posts
