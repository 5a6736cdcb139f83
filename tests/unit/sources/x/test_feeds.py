"""Accounts grouped into queries, and the waits between connections."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.sources.adapters.x.feeds import grouped, query_of
from apps.sources.adapters.x.pauses import Pauses

Ids = st.lists(st.integers(1, 10**19 - 1).map(str), max_size=60, unique=True)


def group(accounts: list[str], before: dict[str, list[str]] | None = None, **more: object) -> dict[str, list[str]]:
    groups, _ = grouped(accounts, before or {}, **{"length": 512, "suffix": "", **more})  # type: ignore[arg-type]
    return groups


def test_a_thousand_accounts_with_long_ids_need_fewer_searches_than_x_allows() -> None:
    accounts = [str(10**18 + number) for number in range(1_000)]

    groups = group(accounts)

    assert 3 * len(groups) <= 450
    assert sorted(one for members in groups.values() for one in members) == accounts


def test_brackets_stand_only_where_something_follows() -> None:
    assert query_of(["1", "2"], "") == "from:1 OR from:2"
    assert query_of(["1", "2"], " -is:retweet") == "(from:1 OR from:2) -is:retweet"


@settings(max_examples=50, deadline=None)
@given(st.lists(Ids, min_size=1, max_size=6), st.sampled_from(["", " -is:retweet -is:reply"]))
def test_whoever_comes_and_goes_each_account_is_asked_for_once_and_no_query_is_too_long(
    turns: list[list[str]], suffix: str
) -> None:
    groups: dict[str, list[str]] = {}
    for accounts in turns:
        before = {one: key for key, members in groups.items() for one in members}
        groups, gone = grouped(accounts, groups, length=128, suffix=suffix)

        assert sorted(one for members in groups.values() for one in members) == sorted(accounts)
        assert all(len(query_of(members, suffix)) <= 128 for members in groups.values())
        for key, members in groups.items():
            moved = {before[one] for one in members if one in before} - {key}
            assert moved <= gone.keys()
            assert all(gone[old] == key for old in moved)


def test_groups_that_shrank_are_put_together() -> None:
    groups = group([str(10**18 + number) for number in range(40)])
    left = [members[0] for members in groups.values()]

    assert len(groups) > 1
    assert list(group(left, groups)) == ["g1"]


def test_a_connection_that_worked_is_made_again_at_once_and_then_more_slowly() -> None:
    pauses = Pauses()

    assert [pauses.network() for _ in range(4)] == [0, 0.25, 0.5, 0.75]
    for _ in range(100):
        pauses.network()
    assert pauses.network() == 16
    pauses.connected()
    assert pauses.network() == 0


def test_http_errors_and_limits_wait_longer_each_time() -> None:
    pauses = Pauses()

    assert [pauses.http() for _ in range(8)] == [5, 10, 20, 40, 80, 160, 320, 320]
    assert [pauses.limited(0) for _ in range(5)] == [60, 120, 240, 480, 900]
    assert pauses.limited(1_200) == 1_200
