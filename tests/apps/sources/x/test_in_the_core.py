"""X through the crawl core: what a broken run leaves, the next one brings."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from uuid import uuid4

import pytest

from apps.sources.models import Source
from tests.outside.x.process import LocalX
from tradebot.contracts.errors import TransientError
from tradebot.contracts.messages import CrawlerMessage
from workers.crawl import session

pytestmark = pytest.mark.django_db
Name = Callable[[str], str]


@pytest.fixture
def source(x: LocalX, name: Name, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("X_TOKEN", f"token-{uuid4().hex}")
    config = {"bearer_token": "env:X_TOKEN", "api_base": x.url, "accounts": [name("ann")]}
    Source.objects.create(name="twitter", kind="twitter", config=config)
    x.posts([{"username": name("ann"), "text": f"post {number}"} for number in range(700)])
    return "twitter"


def test_a_crawl_whose_broker_failed_is_made_good_by_the_next(source: str) -> None:
    arrived: list[str] = []

    def failing(posts: Sequence[CrawlerMessage]) -> None:
        if arrived:
            raise TransientError("no broker")
        arrived.extend(post.id for post in posts)

    with pytest.raises(TransientError):
        session.run(source, failing)
    state = Source.objects.get(name=source).state
    report = session.run(source, lambda posts: arrived.extend(post.id for post in posts))
    again = session.run(source, lambda posts: arrived.extend(post.id for post in posts))

    assert state == {}
    assert (report.outcome, again.fresh) == ("ok", 0)
    assert len(set(arrived)) == 700


def test_a_revoked_token_stands_on_the_source_and_pauses_it(source: str, x: LocalX) -> None:
    session.run(source, lambda posts: None)
    x.do("revoke", token=os.environ["X_TOKEN"])

    report = session.run(source, lambda posts: None)

    row = Source.objects.get(name=source)
    assert report.outcome == "failed"
    assert "wrong or was revoked" in row.last_error
    assert "token-" not in row.last_error
    assert row.failures == 1
    assert row.state["feeds"]
