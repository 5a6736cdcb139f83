"""One crawl of one source: fetch, check, publish, and only then remember."""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from prometheus_client import Counter

from apps.sources import crawl_services as services
from apps.sources import leases, selectors
from apps.sources.adapters.registry import make_crawler, source_names, without_secrets
from apps.sources.crawl_services import Finished
from apps.sources.domain.clean import storable
from apps.sources.leases import Lease, LeaseLost
from apps.sources.selectors import SourceView
from tradebot.contracts.errors import PermanentError, Throttled, TradebotError, TransientError
from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.ports import CrawlerPlugin, Deletion
from tradebot.messaging.jsonb import as_jsonb
from workers import publisher
from workers.crawl.intake import Intake, PluginFailed, Publish, wait_until

T = TypeVar("T")

CRAWLS = Counter("tradebot_crawls_total", "Runs of crawlers, by source and outcome.", ["source", "outcome"])

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """How a crawl went. `outcome`: ok, failed, throttled, or busy where another node fetches the source just now."""

    outcome: str
    fresh: int = 0
    total: int = 0
    deleted: int = 0
    reason: str = ""


def here() -> str:
    """This process's name, where no worker has one."""
    return f"{socket.gethostname()}:{os.getpid()}"


def crawl(name: str, publish: Publish = publisher.publish, node: str = "") -> int:
    """Crawl one source and return how many new posts the broker has taken; see `run`."""
    return run(name, publish, node).fresh


def run(name: str, publish: Publish = publisher.publish, node: str = "") -> Report:
    """Crawl one source while holding its lease. What goes wrong in the source or its plugin is noted on the source,
    which then pauses longer; a broker or a database that fails raises.

    What the plugin wants to remember is stored only after the broker has confirmed the posts, and only while the lease
    is ours.
    """
    source = selectors.source(name)
    if source is None:
        raise PermanentError(f"there is no source {name!r}")
    with leases.holding(name, node or here()) as lease:
        if lease is None:
            return Report("busy", reason="another node fetches it just now")
        # Read again: who held it before us has left a newer state.
        return _Crawl(selectors.source(name) or source, publish, lease).run()


def preview(source: SourceView, show: Publish) -> Report:
    """Fetch and check, but publish and store nothing; `show` gets what would be published."""
    crawler = _made(source)
    intake = Intake(source, crawler, show)
    intake.take(_fetched(crawler))
    return Report("ok", intake.fresh, intake.total, len(_deletions(crawler)), intake.note)


class _Crawl:
    """One run under a lease."""

    def __init__(self, source: SourceView, publish: Publish, lease: Lease) -> None:
        self.source = source
        self._publish = publish
        self._lease = lease

    def run(self) -> Report:
        try:
            return self._run()
        except PluginFailed as failure:
            return self._gave_up(failure)
        except SoftTimeLimitExceeded as error:
            return self._gave_up(PluginFailed(error))
        except LeaseLost as error:
            _log.warning("crawl dropped", source=self.source.name, reason=str(error))
            CRAWLS.labels(self.source.name, "lost").inc()
            return Report("busy", reason=str(error))

    def _run(self) -> Report:
        crawler = _made(self.source)
        intake = Intake(self.source, crawler, self._sent, self._lease.require)
        intake.take(_fetched(crawler))
        state = _guarded(lambda: _state(crawler))
        notes = _guarded(lambda: self._notes(crawler))
        gone = _guarded(lambda: _deletions(crawler))
        self._lease.require()
        services.note_deletions(gone)
        self._finish(Finished(f"{intake.fresh} new of {intake.total}", state, intake.note, notes, intake.lag))
        return Report("ok", intake.fresh, intake.total, len(gone), intake.note)

    def _sent(self, fresh: Sequence[CrawlerMessage]) -> None:
        try:
            self._publish(fresh)
        except TransientError:
            raise
        except Exception as error:
            # Not the broker: something in these posts. The next crawl brings them again, so it must not come at once.
            raise PluginFailed(error) from error

    def _finish(self, finished: Finished) -> None:
        kept = services.finish_crawl(
            name=self.source.name, now=datetime.now(UTC), finished=finished, holder=self._lease.holder
        )
        if not kept:
            raise LeaseLost(f"{self.source.name}: another node has it by now; what this crawl learned is dropped")
        CRAWLS.labels(self.source.name, "ok").inc()

    def _notes(self, crawler: CrawlerPlugin) -> dict[str, str]:
        notes = dict(getattr(crawler, "notes", {}))
        return {str(key): without_secrets(self.source, str(value)) for key, value in notes.items()}

    def _gave_up(self, failure: PluginFailed) -> Report:
        reason = storable(without_secrets(self.source, failure.reason))
        now, name, holder = datetime.now(UTC), self.source.name, self._lease.holder
        if isinstance(failure.cause, Throttled):
            CRAWLS.labels(name, "throttled").inc()
            until = wait_until(failure.cause)
            services.throttle_crawl(name=name, now=now, until=until, reason=reason, holder=holder)
            _log.info("crawl throttled", source=name, until=until.isoformat(), reason=reason)
            return Report("throttled", reason=reason)
        CRAWLS.labels(name, "failed").inc()
        services.fail_crawl(name=name, now=now, error=reason, holder=holder)
        _log.warning("crawl failed", source=name, reason=reason, **self._trace(failure.cause))
        return Report("failed", reason=reason)

    def _trace(self, error: Exception) -> dict[str, str]:
        """Where a plugin broke; nothing for what it raised on purpose."""
        if isinstance(error, TradebotError):
            return {}
        return {"trace": without_secrets(self.source, "".join(traceback.format_exception(error)))}


def _made(source: SourceView) -> CrawlerPlugin:
    return _guarded(lambda: make_crawler(source))


def _fetched(crawler: CrawlerPlugin) -> Iterable[CrawlerMessage]:
    return _guarded(crawler.fetch)


def _state(crawler: CrawlerPlugin) -> dict[str, Any]:
    state: dict[str, Any] = as_jsonb(dict(getattr(crawler, "state", {})))
    return state


def _deletions(crawler: CrawlerPlugin) -> list[Deletion]:
    """What the plugin says is gone; a source may speak only of sources that crawlers know."""
    names = source_names()
    return [each for each in getattr(crawler, "deletions", []) if isinstance(each, Deletion) and each.source in names]


def _guarded(work: Callable[[], T]) -> T:
    """What a plugin's code returns; what it raises, as PluginFailed."""
    try:
        return work()
    except Exception as error:
        raise PluginFailed(error) from error
