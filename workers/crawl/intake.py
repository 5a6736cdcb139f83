"""The way in: messages of a crawler are checked, known ones dropped, the rest published, a chunk at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from prometheus_client import Histogram

from apps.sources import selectors
from apps.sources.adapters.registry import source_names, without_secrets
from apps.sources.crawl_services import Lag
from apps.sources.domain.clean import storable
from apps.sources.domain.identity import post_id
from apps.sources.domain.intake import check_crawled
from apps.sources.selectors import SourceView
from tradebot.contracts.errors import InvalidField, Throttled, TradebotError
from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.ports import CrawlerPlugin

CHUNK = 500
"""Posts that are held at once, and confirmed at once."""
LAGS_KEPT = 5_000
LONGEST_WAIT = timedelta(days=7)

LAG = Histogram(
    "tradebot_crawl_lag_seconds",
    "Seconds from a post's own time to its first sight here, of posts newer than their source's row.",
    ["kind", "source"],
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400),
)

Publish = Callable[[Sequence[CrawlerMessage]], object]
_log = structlog.get_logger(__name__)


class PluginFailed(Exception):
    """What a crawler raised: its own trouble, never the broker's or the database's. `cause` is the error itself."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause

    @property
    def reason(self) -> str:
        """For people."""
        if isinstance(self.cause, SoftTimeLimitExceeded):
            return "the crawl took too long and was stopped; fetch less at once"
        if isinstance(self.cause, TradebotError):
            return str(self.cause)
        return f"{type(self.cause).__name__}: {self.cause}"


def wait_until(error: Throttled) -> datetime:
    """The moment before which the source must not be asked again; a week from now at most, for nobody means more."""
    until = error.until if error.until.tzinfo else error.until.replace(tzinfo=UTC)
    return min(until, datetime.now(UTC) + LONGEST_WAIT)


class Intake:
    """One crawl's count: `total` messages came, `fresh` were published, `refused` were dropped, the first for `reason`.

    `before_publish` is called before anything leaves; what it raises ends the crawl.
    """

    def __init__(
        self,
        source: SourceView,
        crawler: CrawlerPlugin,
        publish: Publish,
        before_publish: Callable[[], None] = lambda: None,
    ) -> None:
        self.total = self.fresh = self.refused = 0
        self.reason = ""
        self._source = source
        self._crawler = crawler
        self._publish = publish
        self._before_publish = before_publish
        self._names = source_names()
        self._media = selectors.allowed_media()
        self._lags: deque[float] = deque(maxlen=LAGS_KEPT)

    def take(self, messages: Iterable[CrawlerMessage]) -> None:
        """Returns once the broker has confirmed everything that is new. Raises PluginFailed when `messages` breaks off:
        what came before that is published all the same."""
        for chunk in _chunks(messages):
            self._hand_on(unseen([good for message in chunk if (good := self._checked(message))]))
        if self.refused:
            _log.warning(
                "crawled posts refused", source=self._source.name, count=self.refused, first=storable(self.reason)
            )

    @property
    def note(self) -> str:
        """What was dropped, for people; empty where nothing was."""
        return f"{self.refused} of {self.total} dropped; {self.reason}" if self.refused else ""

    @property
    def lag(self) -> Lag | None:
        return Lag(self._lags[-1], median(self._lags)) if self._lags else None

    def _checked(self, message: CrawlerMessage) -> CrawlerMessage | None:
        """The message, if it keeps the rules: one bad item takes no other along."""
        self.total += 1
        try:
            return self._allowed(message)
        except InvalidField as error:
            reason = str(error)
        except SoftTimeLimitExceeded:
            # It speaks of the crawl, not of this message, which would be lost once the plugin's state is stored.
            raise
        except Exception as error:  # noqa: BLE001 - `validate` is other people's code
            reason = f"{type(error).__name__}: {error}"
        self.refused += 1
        self.reason = self.reason or without_secrets(self._source, reason)
        return None

    def _allowed(self, message: CrawlerMessage) -> CrawlerMessage:
        if not self._crawler.validate(message):
            raise InvalidField("", "the crawler itself says that its source could not have written it")
        stored = getattr(self._crawler, "stored_media", ())
        return check_crawled(message, allowed_sources=self._names, allow_media=self._media, stored=stored)

    def _hand_on(self, fresh: Sequence[CrawlerMessage]) -> None:
        if not fresh:
            return
        self._before_publish()
        self._publish(fresh)
        self.fresh += len(fresh)
        for message in fresh:
            self._measure(message)

    def _measure(self, message: CrawlerMessage) -> None:
        began = self._source.created_at
        if began is None or message.timestamp < began:
            return
        seconds = max(0.0, (message.seen_at - message.timestamp).total_seconds())
        LAG.labels(self._source.kind, self._source.name).observe(seconds)
        self._lags.append(seconds)


def unseen(messages: Sequence[CrawlerMessage]) -> list[CrawlerMessage]:
    """Those that are not recorded yet, each once. A convenience: the clean stage drops the others anyway."""
    mine = {post_id(message): message for message in reversed(messages)}
    known = selectors.sightings(list(mine))
    return [message for key, message in reversed(mine.items()) if key not in known]


def _chunks(messages: Iterable[CrawlerMessage]) -> Iterator[list[CrawlerMessage]]:
    chunk: list[CrawlerMessage] = []
    failure: Exception | None = None
    try:
        for message in messages:
            chunk.append(message)
            if len(chunk) == CHUNK:
                full, chunk = chunk, []
                yield full
    except Exception as error:  # noqa: BLE001 - a plugin is other people's code
        failure = error
    if chunk:
        yield chunk
    if failure:
        raise PluginFailed(failure)
