"""The filtered stream: rules, posts, and every way in which a connection ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from apps.sources.adapters.registry import would_listen
from apps.sources.adapters.x import stream
from apps.sources.adapters.x.crawler import XCrawler
from tests.apps.sources.x.conftest import Make
from tests.outside.x.process import LocalX
from tradebot.contracts.errors import NotConfigured, PermanentError, TransientError
from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.ports import Deletion

Name = Callable[[str], str]
STREAM = "GET /2/tweets/search/stream"

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Ear:
    """What a listening crawler hands on; `next` waits for it."""

    def __init__(self, crawler: XCrawler, x: LocalX) -> None:
        self._x = x
        self._heard: asyncio.Queue[CrawlerMessage] = asyncio.Queue()
        self.task = asyncio.create_task(crawler.listen(self._emit))

    async def _emit(self, posts: Sequence[CrawlerMessage], _: Sequence[Deletion]) -> None:
        for post in posts:
            self._heard.put_nowait(post)

    async def next(self) -> CrawlerMessage:
        waiting = asyncio.create_task(self._heard.get())
        await asyncio.wait([waiting, self.task], timeout=10, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
            self.task.result()
        return waiting.result()

    async def connected(self, times: int) -> None:
        """Until so many connections were made."""
        await asyncio.to_thread(self._x.await_listener, times)


@asynccontextmanager
async def listening(crawler: XCrawler, x: LocalX) -> AsyncIterator[Ear]:
    ear = Ear(crawler, x)
    try:
        await ear.connected(1)
        yield ear
    finally:
        ear.task.cancel()
        await asyncio.gather(ear.task, return_exceptions=True)


@pytest.fixture
def ann(x: LocalX, name: Name) -> str:
    x.do("users", users=[{"username": name("ann")}])
    return name("ann")


@pytest.fixture
def crawler(make: Make, ann: str) -> XCrawler:
    return make(accounts=[ann], stream=True)


async def test_posts_come_as_they_are_written(x: LocalX, crawler: XCrawler, ann: str) -> None:
    async with listening(crawler, x) as ear:
        number = await asyncio.to_thread(x.post, ann, "Buying", photos=["https://pbs.twimg.com/media/a.jpg"])
        message = await ear.next()

    assert (message.id, message.author, message.data, message.type) == (number, ann, "Buying", "image")
    assert crawler.validate(message)


async def test_an_edit_comes_as_a_revision(x: LocalX, crawler: XCrawler, ann: str) -> None:
    async with listening(crawler, x) as ear:
        number = await asyncio.to_thread(x.post, ann, "Buying")
        first = await ear.next()
        await asyncio.to_thread(x.edit, number, "Selling")
        second = await ear.next()

    assert (first.id, first.revision) == (second.id, second.revision - 1)
    assert second.data == "Selling"


async def test_rules_follow_the_settings_and_leave_others_alone(x: LocalX, make: Make, ann: str, name: Name) -> None:
    token = f"token-{uuid4().hex}"
    await asyncio.to_thread(_add_rule, x, token, "something else", "somebody")
    bob = name("bob")
    x.do("users", users=[{"username": bob}])

    async with listening(make(accounts=[ann], searches=["$DOGE"], stream=True, bearer_token=token), x):
        before = await asyncio.to_thread(_rules, x, token)
    async with listening(make(accounts=[ann, bob], stream=True, bearer_token=token), x) as ear:
        after = await asyncio.to_thread(_rules, x, token)
        await asyncio.to_thread(x.post, name("carl"), "something else")
        await asyncio.to_thread(x.post, bob, "mine")
        message = await ear.next()

    ids = x.do("users", users=[{"username": ann}, {"username": bob}])["ids"]
    assert before == {f"from:{ids[ann]}": "tradebot:twitter", "$DOGE": "tradebot:twitter", "something else": "somebody"}
    assert after == {f"from:{ids[ann]} OR from:{ids[bob]}": "tradebot:twitter", "something else": "somebody"}
    assert message.data == "mine"


async def test_a_connection_that_is_dropped_is_made_again_at_once(x: LocalX, crawler: XCrawler, ann: str) -> None:
    async with listening(crawler, x) as ear:
        for times in (2, 3):
            await asyncio.to_thread(x.do, "stream", drop=True)
            await ear.connected(times)
        await asyncio.to_thread(x.post, ann, "after")

        assert (await ear.next()).data == "after"


async def test_a_connection_that_falls_silent_is_given_up(
    x: LocalX, crawler: XCrawler, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE_SECONDS", 0.6)
    async with listening(crawler, x) as ear:
        # Alive as long as there are empty lines.
        await asyncio.to_thread(x.post, ann, "first")
        await ear.next()
        await asyncio.sleep(1)
        assert x.connections() == 1

        await asyncio.to_thread(x.do, "stream", silent=True)
        try:
            await ear.connected(2)
        finally:
            await asyncio.to_thread(x.do, "stream", silent=False)
        await asyncio.to_thread(x.post, ann, "after")

        assert (await ear.next()).data == "after"


async def test_a_disconnect_that_x_announces_is_followed_by_a_new_connection(
    x: LocalX, crawler: XCrawler, ann: str
) -> None:
    said = '{"errors":[{"title":"operational-disconnect","disconnect_type":"UpstreamOperationalDisconnect"}]}'
    async with listening(crawler, x) as ear:
        await asyncio.to_thread(x.do, "stream", write=said)
        await ear.connected(2)
        await asyncio.to_thread(x.post, ann, "after")

        assert (await ear.next()).data == "after"


async def test_a_line_that_is_no_json_is_passed_over(x: LocalX, crawler: XCrawler, ann: str) -> None:
    async with listening(crawler, x) as ear:
        await asyncio.to_thread(x.do, "stream", write='{"data": {"id": "1", "te')
        await asyncio.to_thread(x.post, ann, "after")

        assert (await ear.next()).data == "after"
        assert x.connections() == 1


async def test_a_refused_token_ends_it_with_the_reason(x: LocalX, crawler: XCrawler) -> None:
    async with listening(crawler, x) as ear:
        x.do("revoke", token=crawler.config.bearer_token)
        await asyncio.to_thread(x.do, "stream", drop=True)

        with pytest.raises(PermanentError, match="bearer token is wrong or was revoked"):
            await asyncio.wait_for(ear.task, 10)


async def test_errors_wait_as_x_asks_and_then_it_goes_on(
    x: LocalX, crawler: XCrawler, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def noted(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(stream, "_wait", noted)
    broken = {"endpoint": STREAM, "kind": "status", "status": 503, "times": 3}
    limited = {"endpoint": STREAM, "kind": "status", "status": 429, "times": 1}
    x.faults(broken)
    async with listening(crawler, x) as ear:
        await ear.connected(4)
        await asyncio.to_thread(x.post, ann, "after")
        assert (await ear.next()).data == "after"
        monkeypatch.setattr(crawler._api.limits, "ask", lambda _: None)
        x.faults(limited)
        await asyncio.to_thread(x.do, "stream", drop=True)
        await ear.connected(6)

    assert waits[:3] == [5, 10, 20]
    assert waits[3] == 0
    assert waits[4] >= 59


async def test_what_was_learnt_of_the_accounts_is_kept(x: LocalX, make: Make, ann: str) -> None:
    crawler = make(accounts=[ann], stream=True)
    async with listening(crawler, x):
        pass
    async with listening(make(crawler.state, accounts=[ann], stream=True), x):
        pass

    assert [entry["endpoint"] for entry in x.requests()].count("GET /2/users/by") == 1


async def test_a_broker_that_fails_ends_it(x: LocalX, crawler: XCrawler, ann: str) -> None:
    async def broken(*_: Any) -> None:
        raise TransientError("no broker")

    task = asyncio.create_task(crawler.listen(broken))
    await asyncio.to_thread(x.await_listener)
    await asyncio.to_thread(x.post, ann, "lost here, found by the next poll")

    with pytest.raises(TransientError, match="no broker"):
        await asyncio.wait_for(task, 10)


async def test_it_listens_only_where_that_is_wanted(make: Make, ann: str) -> None:
    async def nothing(*_: Any) -> None:
        """Never called."""

    with pytest.raises(NotConfigured, match="stream: is off"):
        await make(accounts=[ann]).listen(nothing)


def _rules(x: LocalX, token: str) -> dict[str, str]:
    answer = x.client.get(f"{x.url}/2/tweets/search/stream/rules", headers={"Authorization": f"Bearer {token}"})
    return {rule["value"]: rule.get("tag", "") for rule in answer.json().get("data", [])}


def _add_rule(x: LocalX, token: str, value: str, tag: str) -> None:
    x.client.post(
        f"{x.url}/2/tweets/search/stream/rules",
        headers={"Authorization": f"Bearer {token}"},
        json={"add": [{"value": value, "tag": tag}]},
    )


@pytest.mark.parametrize(("wrote", "expected"), [({}, False), ({"stream": False}, False), ({"stream": True}, True)])
def test_nobody_listens_where_the_stream_is_off(wrote: dict[str, bool], expected: bool) -> None:
    assert would_listen("twitter", wrote) is expected
