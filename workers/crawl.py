"""The crawl stage: runs a source's crawler and hands what is new to the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from prometheus_client import Counter

from apps.sources import selectors, services
from apps.sources.adapters.registry import make_crawler, source_names
from apps.sources.domain.clean import storable
from apps.sources.domain.identity import post_id
from apps.sources.domain.intake import check_crawled
from apps.sources.selectors import SourceView
from tradebot.celery import app
from tradebot.contracts.errors import InvalidField, NotConfigured, PermanentError, TransientError
from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.ports import CrawlerPlugin
from tradebot.messaging.jsonb import as_jsonb
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
    is noted on the source, which then pauses longer; a broker or a database that fails raises.

    What the plugin wants to remember is stored only after the broker has confirmed the posts.
    """
    source = selectors.source(name)
    if source is None:
        raise PermanentError(f"there is no source {name!r}")
    try:
        found = fetch(source)
    except (NotConfigured, PermanentError, TransientError) as error:
        return _failed(source, str(error))
    except Exception as error:  # noqa: BLE001
        # A plugin is other people's code: whatever it raises must stop neither this worker nor the other sources.
        _log.exception("crawler broke", source=name)
        return _failed(source, f"{type(error).__name__}: {error}")
    fresh = unseen(found.posts)
    try:
        publish(fresh)
    except TransientError:
        raise
    except Exception as error:  # noqa: BLE001
        # Not the broker: something in these posts. The next crawl brings them again, so it must not come at once.
        _log.exception("crawled posts could not be published", source=name)
        return _failed(source, f"{type(error).__name__}: {error}")
    _finished(source, found, fresh)
    return len(fresh)


@dataclass(frozen=True, slots=True)
class Found:
    """What one crawl brought: posts, what its plugin wants to remember, and why other posts were dropped."""

    posts: list[CrawlerMessage]
    state: Mapping[str, Any]
    refused: list[str]


def fetch(source: SourceView) -> Found:
    """What the source's crawler finds now, without what it could not have written and what breaks the rules for
    outside items: one bad entry takes no other along."""
    crawler = make_crawler(source)
    posts: list[CrawlerMessage] = []
    refused: list[str] = []
    for message in crawler.fetch():
        try:
            posts.append(_checked(crawler, message))
        except InvalidField as error:
            refused.append(str(error))
    if refused:
        _log.warning("crawled posts refused", source=source.name, count=len(refused), first=storable(refused[0]))
    return Found(posts, as_jsonb(dict(getattr(crawler, "state", {}))), refused)


def _checked(crawler: CrawlerPlugin, message: CrawlerMessage) -> CrawlerMessage:
    if not crawler.validate(message):
        raise InvalidField("", "the crawler itself says that its source could not have written it")
    return check_crawled(message, allowed_sources=source_names(), allow_media=selectors.allowed_media())


def unseen(messages: Sequence[CrawlerMessage]) -> list[CrawlerMessage]:
    """Those that are not recorded yet. A convenience: the clean stage drops the others anyway."""
    known = selectors.sightings([post_id(message) for message in messages])
    return [message for message in messages if post_id(message) not in known]


def _finished(source: SourceView, found: Found, fresh: Sequence[CrawlerMessage]) -> None:
    total = len(found.posts) + len(found.refused)
    services.finish_crawl(
        name=source.name,
        now=datetime.now(UTC),
        result=f"{len(fresh)} new of {total}",
        state=found.state,
        note=f"{len(found.refused)} of {total} dropped; {found.refused[0]}" if found.refused else "",
    )
    CRAWLS.labels(source.name, "ok").inc()


def _failed(source: SourceView, reason: str) -> int:
    CRAWLS.labels(source.name, "failed").inc()
    services.fail_crawl(name=source.name, now=datetime.now(UTC), error=reason)
    _log.warning("crawl failed", source=source.name, reason=storable(reason))
    return 0
