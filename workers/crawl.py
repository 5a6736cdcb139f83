"""The crawl stage: runs a source's crawler and hands what is new to the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from prometheus_client import Counter

from apps.sources import selectors, services
from apps.sources.adapters.registry import make_crawler
from apps.sources.domain.identity import post_id
from apps.sources.selectors import SourceView
from tradebot.celery import app
from tradebot.contracts.errors import NotConfigured, PermanentError, TransientError
from tradebot.contracts.messages import CrawlerMessage
from workers import publisher

CRAWLS = Counter("tradebot_crawls_total", "Runs of crawlers, by source and outcome.", ["source", "outcome"])

Publish = Callable[[Iterable[CrawlerMessage]], object]
_log = structlog.get_logger(__name__)


@app.task(name="tradebot.crawl_due", shared=False, soft_time_limit=60, time_limit=90)
def start_due() -> int:
    """One crawl task for each source whose time has come; returns how many."""
    due = crawl_due()
    for source in due:
        # Nobody took it until the source was due again: the next task does the same work.
        run.apply_async((source.name,), expires=source.interval_seconds)
    return len(due)


@app.task(name="tradebot.crawl", shared=False, soft_time_limit=120, time_limit=150)
def run(name: str) -> int:
    """Crawl one source; returns how many posts were new."""
    return crawl(name)


def crawl_due() -> list[SourceView]:
    """Claim the sources whose time has come; each is then to be crawled once."""
    return services.due_sources(datetime.now(UTC))


def crawl(name: str, publish: Publish = publisher.publish) -> int:
    """Crawl one source and return how many new posts the broker has taken. What goes wrong in the source or its plugin
    is noted on the source, which then pauses longer; a broker that fails raises.

    What the plugin wants to remember is stored only after the broker has confirmed the posts.
    """
    source = selectors.source(name)
    if source is None:
        raise PermanentError(f"there is no source {name!r}")
    try:
        found, state = fetch(source)
    except (NotConfigured, PermanentError, TransientError) as error:
        return _failed(source, str(error))
    except Exception as error:  # noqa: BLE001
        # A plugin is other people's code: whatever it raises must stop neither this worker nor the other sources.
        _log.exception("crawler broke", source=name)
        return _failed(source, f"{type(error).__name__}: {error}")
    fresh = unseen(found)
    publish(fresh)
    services.finish_crawl(name=name, now=datetime.now(UTC), result=f"{len(fresh)} new of {len(found)}", state=state)
    CRAWLS.labels(name, "ok").inc()
    return len(fresh)


def fetch(source: SourceView) -> tuple[list[CrawlerMessage], Mapping[str, Any]]:
    """What the source's crawler finds now, without what it could not have written, and what it wants to remember."""
    crawler = make_crawler(source)
    found = list(crawler.fetch())
    valid = [message for message in found if crawler.validate(message)]
    if len(valid) < len(found):
        _log.warning("posts refused by their crawler", source=source.name, count=len(found) - len(valid))
    return valid, getattr(crawler, "state", {})


def unseen(messages: Sequence[CrawlerMessage]) -> list[CrawlerMessage]:
    """Those that are not recorded yet. A convenience: the clean stage drops the others anyway."""
    known = selectors.sightings([post_id(message) for message in messages])
    return [message for message in messages if post_id(message) not in known]


def _failed(source: SourceView, reason: str) -> int:
    CRAWLS.labels(source.name, "failed").inc()
    services.fail_crawl(name=source.name, now=datetime.now(UTC), error=reason)
    _log.warning("crawl failed", source=source.name, reason=reason)
    return 0
