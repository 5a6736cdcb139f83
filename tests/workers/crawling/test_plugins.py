"""Packages that bring crawlers: installed as an operator would, found by fresh processes, crawled to a real broker."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from apps.sources import services
from apps.sources.models import Deletion, Post, Source
from tests.stack import CHECKOUT
from tests.workers.crawling.conftest import watched
from tests.workers.crawling.exchange import TOKEN, Exchange
from tradebot.contracts.messages import CrawlerMessage, from_wire

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def crawl(environment: dict[str, str], broker: Any) -> Any:
    """`manage.py crawl` in a fresh process."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", "crawl", *arguments],
            cwd=CHECKOUT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def printed(done: subprocess.CompletedProcess[str]) -> list[tuple[str, int]]:
    assert done.returncode == 0, done.stderr
    return [(line["id"], line["revision"]) for line in map(json.loads, done.stdout.splitlines())]


def recorded(broker: Any) -> list[CrawlerMessage]:
    """What arrived at the clean stage, recorded by it."""
    messages = [from_wire(CrawlerMessage, item) for body in broker.bodies("clean") for item in body]
    services.record_posts(messages)
    return messages


def test_an_installed_plugin_crawls_from_its_settings_to_the_broker(
    exchange: Exchange, crawl: Any, broker: Any
) -> None:
    row = watched(exchange)
    exchange.put(2)
    exchange.put(1)

    assert printed(crawl("the notices", "--once", "--json")) == [("2", 0), ("1", 0)]
    assert [message.id for message in recorded(broker)] == ["2", "1"]
    assert exchange.asked == ["/notices?lang=en"]

    exchange.put(1, title="Notice 1, corrected", version=1)
    exchange.put(2, withdrawn=True)
    assert printed(crawl("the notices", "--once", "--json")) == [("1", 1)]
    recorded(broker)

    row.refresh_from_db()
    assert row.state == {"versions": {"1": 1}}
    assert row.notes == {"notices": "1 withdrawn"}
    assert Deletion.objects.count() == 1
    assert Post.objects.get(native_id="2").deleted_at is not None


def test_plugins_that_break_anywhere_stop_nothing_else(exchange: Exchange, crawl: Any, broker: Any) -> None:
    exchange.put(1)
    watched(exchange)
    told = {}
    for kind in ("at_import", "in_init", "in_fetch"):
        watched(exchange, name=kind, kind=kind, config={})
        told[kind] = crawl(kind, "--once").stderr

    assert "there is no crawler 'at_import'; installed are in_fetch, in_init" in told["at_import"]
    assert "bug in init" in told["in_init"]
    assert "bug in fetch" in told["in_fetch"]
    assert list(Source.objects.filter(failures=1).order_by("name").values_list("name", flat=True)) == sorted(told)
    assert printed(crawl("the notices", "--once", "--json")) == [("1", 0)]


def test_what_the_source_answers_is_told_without_its_secret(exchange: Exchange, crawl: Any) -> None:
    row = watched(exchange)
    exchange.status, exchange.headers = 429, {"Retry_After": "600"}

    done = crawl("the notices", "--once")

    row.refresh_from_db()
    assert "throttled: the exchange asks to wait" in done.stderr
    assert row.throttled_until is not None
    assert (row.next_run_at, row.failures) == (row.throttled_until, 0)
    assert TOKEN not in done.stderr + row.last_result
