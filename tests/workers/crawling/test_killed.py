"""A crawl worker is killed -9 while it crawls, and another goes on: every post is recorded once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from apps.sources import services
from apps.sources.models import Post, Source
from apps.sources.services import Outcome
from tests.workers.crawling.conftest import Start, kill, watched
from tests.workers.crawling.exchange import Exchange
from tests.workers.streams.conftest import until
from tradebot.contracts.messages import CrawlerMessage, from_wire
from tradebot.embedded.programs import worker
from workers.crawl import start_due
from workers.topology import WorkerGroup

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 6_000


def test_a_worker_killed_among_its_publishes_loses_nothing(exchange: Exchange, start: Start, broker: Any) -> None:
    row = watched(exchange)
    for number in range(MANY):
        exchange.put(number)
    command = worker("doomed", WorkerGroup(("crawl",))).command
    doomed = start(*command)
    due_now()
    until(_waiting(broker))
    kill(doomed)

    assert Source.objects.get(pk=row.pk).state == {}
    taken = recorded(broker)
    start(*[part.replace("doomed", "heir") for part in command])
    # As much later as a dead node's lease lasts.
    Source.objects.update(leased_until=datetime.now(UTC))
    due_now()
    until(lambda: Source.objects.get(pk=row.pk).last_run_at, 60)
    taken += recorded(broker)

    assert taken[Outcome.NEW] == MANY == Post.objects.count()
    assert Source.objects.get(pk=row.pk).last_error == ""
    assert len(Source.objects.get(pk=row.pk).state["versions"]) == 50


def due_now() -> None:
    """What beat does when the time has come."""
    Source.objects.update(next_run_at=datetime.now(UTC))
    start_due()


def _waiting(broker: Any) -> Callable[[], bool]:
    """Is something in the clean stage's queue?"""
    return lambda: bool(broker.queues["clean"](broker.channel).queue_declare(passive=True).message_count)


def recorded(broker: Any) -> Counter[Outcome]:
    """What the clean stage makes of everything that waits for it."""
    outcomes: Counter[Outcome] = Counter()
    for body in broker.bodies("clean"):
        found = services.record_posts([from_wire(CrawlerMessage, item) for item in body])
        outcomes.update(each.outcome for each in found)
    return outcomes
