"""What goes wrong at X: the source says why, what was read counts, the others go on."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.sources.adapters.guarded import GuardedClient
from apps.sources.adapters.x.api import BadToken
from apps.sources.adapters.x.crawler import XCrawler
from tests.apps.sources.x.conftest import Make
from tests.apps.sources.x.test_reading import texts
from tests.outside.x.process import LocalX
from tradebot.contracts.errors import PermanentError, Throttled, TransientError

Name = Callable[[str], str]
SEARCH = "GET /2/tweets/search/recent"
TIMELINE = "GET /2/users/:id/tweets"


def settled(x: LocalX, make: Make, ann: str, **config: Any) -> dict[str, Any]:
    """The state of a source that was read once."""
    x.post(ann, "before")
    crawler = make(accounts=[ann], **config)
    list(crawler.fetch())
    return crawler.state


@pytest.mark.parametrize(("state", "said"), [("suspended", "User has been suspended"), ("gone", "Could not find user")])
def test_an_account_that_is_not_there_is_noted_and_the_others_go_on(
    x: LocalX, make: Make, name: Name, state: str, said: str
) -> None:
    ann, bob = name("ann"), name("bob")
    x.do("users", users=[{"username": bob, "state": state}])
    x.post(ann, "here")

    crawler = make(accounts=[ann, bob])

    assert texts(crawler.fetch()) == ["here"]
    assert said in crawler.notes[bob]
    assert ann not in crawler.notes


def test_a_protected_account_is_noted_and_read_again_once_it_is_open(x: LocalX, make: Make, name: Name) -> None:
    ann, bob = name("ann"), name("bob")
    x.do("users", users=[{"username": bob, "state": "protected"}])
    x.post(ann, "here")
    x.post(bob, "for friends")
    crawler = make(accounts=[ann, bob])
    assert texts(crawler.fetch()) == ["here"]
    assert "not authorized" in crawler.notes[bob]

    x.do("users", users=[{"username": bob, "state": "ok"}])
    again = make(crawler.state, accounts=[ann, bob])

    assert texts(again.fetch()) == ["for friends"]
    assert again.notes == {}


def test_a_suspended_account_that_comes_back_is_noticed_within_hours(x: LocalX, make: Make, name: Name) -> None:
    ann, bob = name("ann"), name("bob")
    x.do("users", users=[{"username": ann}, {"username": bob, "state": "suspended"}])
    crawler = make(accounts=[ann, bob], accounts_by="search")
    list(crawler.fetch())
    x.do("users", users=[{"username": bob, "state": "ok"}])
    x.post(bob, "back")
    crawler.state["accounts"][bob]["at"] -= 6 * 3600

    again = make(crawler.state, accounts=[ann, bob], accounts_by="search")

    assert texts(again.fetch()) == ["back"]
    assert again.notes == {}


def test_no_account_at_all_is_an_error(make: Make, name: Name) -> None:
    with pytest.raises(PermanentError, match=r"no account can be read.*Could not find user"):
        make(accounts=[name("nobody")]).fetch()


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_said_with_the_remedy_and_never_shown(
    x: LocalX, make: Make, name: Name, status: int
) -> None:
    state = settled(x, make, name("ann"))
    problem = {"title": "Forbidden", "detail": "not enrolled", "type": "https://api.x.com/2/problems/client-forbidden"}
    x.faults({"endpoint": TIMELINE, "kind": "status", "status": status, "body": problem, "times": 9})

    with pytest.raises(BadToken, match=r"not enrolled.*(token|console)") as caught:
        make(state, accounts=[name("ann")]).fetch()

    assert "token-" not in str(caught.value)


def test_a_token_that_is_revoked_in_mid_run_keeps_what_was_read_before(x: LocalX, make: Make, name: Name) -> None:
    ann, bob = name("ann"), name("bob")
    crawler = make(accounts=[ann, bob], max_results=10)
    x.do("users", users=[{"username": ann}, {"username": bob}])
    list(crawler.fetch())
    x.posts([{"username": ann, "text": f"a{number}"} for number in range(15)])
    x.post(bob, "b")
    refused = {"endpoint": TIMELINE, "kind": "status", "status": 401, "after": 1, "times": 9}

    x.faults(refused)
    second = make(crawler.state, accounts=[ann, bob], max_results=10)
    got = texts(second.fetch())
    x.faults()
    third = make(second.state, accounts=[ann, bob], max_results=10)
    rest = texts(third.fetch())

    assert "401" in second.notes["polling"]
    assert got == [f"a{number}" for number in range(5, 15)]
    assert sorted(rest) == sorted([*(f"a{number}" for number in range(5)), "b"])


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 500, "body": "<html>sorry</html>"},
        {"kind": "half"},
        {"kind": "text", "body": '{"data": [{"id": "1", "te'},
        {"kind": "text", "body": "[]"},
        {"kind": "text", "body": "[" * 100_000},
    ],
    ids=["503", "500", "half", "cut JSON", "no object", "deep"],
)
def test_a_broken_answer_is_tried_again_and_loses_nothing(
    x: LocalX, make: Make, name: Name, fault: dict[str, Any]
) -> None:
    ann = name("ann")
    state = settled(x, make, ann)
    x.post(ann, "after")
    x.faults({"endpoint": TIMELINE, "times": 2, **fault})

    with pytest.raises(TransientError):
        make(state, accounts=[ann]).fetch()
    x.faults()

    assert texts(make(state, accounts=[ann]).fetch()) == ["after"]


def test_an_answer_that_drips_ends_with_its_time(x: LocalX, make: Make, name: Name) -> None:
    ann = name("ann")
    state = settled(x, make, ann)
    x.faults({"endpoint": TIMELINE, "kind": "drip", "seconds": 0.05, "times": 1})
    crawler = XCrawler(GuardedClient(allow=[x.endpoint], time_limit=0.5))
    crawler.init({"name": "twitter", "state": state, "bearer_token": "t", "api_base": x.url, "accounts": [ann]})

    with pytest.raises(TransientError, match="no answer"):
        crawler.fetch()


def test_one_feed_that_fails_is_noted_and_the_others_go_on(x: LocalX, make: Make, name: Name) -> None:
    ann, bob = name("ann"), name("bob")
    x.post(ann, "from ann")
    x.post(bob, "from bob")
    x.faults({"endpoint": TIMELINE, "kind": "status", "status": 503, "times": 1})

    crawler = make(accounts=[ann, bob])
    got = texts(crawler.fetch())
    later = make(crawler.state, accounts=[ann, bob])

    assert got == ["from bob"]
    assert "503" in crawler.notes[ann]
    assert texts(later.fetch()) == ["from ann"]
    assert later.notes == {}


def test_a_query_that_x_can_not_read_is_named(x: LocalX, make: Make, name: Name) -> None:
    x.post(name("ann"), "here")

    crawler = make(accounts=[name("ann")], searches=["(unfinished"])

    assert texts(crawler.fetch()) == ["here"]
    assert "missing ')'" in crawler.notes["search (unfinished"]


def test_an_entry_that_is_no_post_takes_no_other_along(x: LocalX, make: Make, name: Name) -> None:
    ann = name("ann")
    state = settled(x, make, ann)
    good = {"id": str((int(datetime.now(UTC).timestamp() * 1000) - 1_288_834_974_657) << 22), "text": "good"}
    bad = [
        {"id": 7, "text": "number"},
        {"id": "x", "text": "letters"},
        {"text": "none"},
        "text",
        None,
        {"id": "9" * 30},
    ]
    odd = {"data": [*bad, good], "includes": {"users": "none", "media": [1]}, "meta": [], "errors": "none"}
    x.faults({"endpoint": TIMELINE, "kind": "status", "status": 200, "body": odd})

    crawler = make(state, accounts=[ann])
    [message] = crawler.fetch()

    assert (message.data, message.author) == ("good", ann)
    assert "entries were no posts" in crawler.notes["answers"]


def test_half_a_character_in_one_post_hides_no_other(x: LocalX, make: Make, name: Name) -> None:
    ann = name("ann")
    state = settled(x, make, ann)
    number = (int(datetime.now(UTC).timestamp() * 1000) - 1_288_834_974_657) << 22
    body = json.dumps(
        {"data": [{"id": str(number + 2), "text": "bad \ud83d"}, {"id": str(number + 1), "text": "good"}]}
    )
    x.faults({"endpoint": TIMELINE, "kind": "text", "body": body})

    assert texts(make(state, accounts=[ann]).fetch())[0] == "good"


def test_a_redirect_is_not_followed_with_the_token(x: LocalX, make: Make, name: Name) -> None:
    ann = name("ann")
    state = settled(x, make, ann)
    x.faults({"endpoint": TIMELINE, "kind": "redirect", "to": "https://elsewhere.example/"})

    with pytest.raises(PermanentError, match="307"):
        make(state, accounts=[ann]).fetch()


def test_after_a_long_outage_the_search_goes_on_where_x_still_searches(x: LocalX, make: Make, name: Name) -> None:
    ann = name("ann")
    state = settled(x, make, ann, accounts_by="search")
    [feed] = state["feeds"].values()
    feed["top"] -= int(timedelta(days=8).total_seconds() * 1000) << 22
    feed["recent"] = {}
    x.post(ann, "after")

    crawler = make(state, accounts=[ann], accounts_by="search")

    assert texts(crawler.fetch()) == ["before", "after"]
    assert any("seven days" in note for note in crawler.notes.values())


@pytest.mark.parametrize("shape", ["errors", "problem", "bare"])
def test_a_429_waits_for_the_reset(x: LocalX, make: Make, name: Name, shape: str) -> None:
    ann = name("ann")
    state = settled(x, make, ann, accounts_by="search")
    x.do("limit", endpoint=SEARCH, requests=0, seconds=600, shape=shape)
    try:
        # A token that nobody knows anything of: it has to be told.
        crawler = make(state, accounts=[ann], accounts_by="search", bearer_token=f"fresh-{ann}")
        with pytest.raises(Throttled) as caught:
            crawler.fetch()
    finally:
        x.do("limit", endpoint=SEARCH, requests=450, seconds=900)

    wait = (caught.value.until - datetime.now(UTC)).total_seconds()
    assert (50 < wait < 62) if shape == "bare" else (590 < wait < 603)


@pytest.mark.parametrize("status", [402, 429])
def test_a_spent_month_is_asked_about_once_an_hour(x: LocalX, make: Make, name: Name, status: int) -> None:
    ann = name("ann")
    state = settled(x, make, ann)
    problem = {
        "title": "UsageCapExceeded",
        "detail": "Monthly cap",
        "type": "https://api.x.com/2/problems/usage-capped",
    }
    x.faults({"endpoint": TIMELINE, "kind": "status", "status": status, "body": problem})

    with pytest.raises(Throttled, match=r"Monthly cap.*console") as caught:
        make(state, accounts=[ann]).fetch()

    assert 3500 < (caught.value.until - datetime.now(UTC)).total_seconds() < 3610
