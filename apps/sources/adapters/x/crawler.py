"""The X crawler: polls every feed of a source, and listens where it may."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import structlog
from django.conf import settings

from apps.sources.adapters.guarded import GuardedClient
from apps.sources.adapters.x import api, stream
from apps.sources.adapters.x.accounts import Accounts, reason_of
from apps.sources.adapters.x.api import URL_LIMIT, Api, BadToken
from apps.sources.adapters.x.config import XConfig, read_config
from apps.sources.adapters.x.feeds import Feed, feeds_of, grouped
from apps.sources.adapters.x.posts import FIELDS, SOURCE, messages, read_page
from apps.sources.adapters.x.progress import Page, Progress, Reading, Span, begin, dump, id_at, keep, load, merged, poll
from tradebot.contracts.errors import NotConfigured, PermanentError, Throttled, TransientError
from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.ports import Deletion, Emit

POLL_SECONDS = 75.0
"""No feed is begun later than this: the task that runs the crawl is stopped after 120 s."""
_SEARCHED_BACK = timedelta(days=7) - timedelta(minutes=10)
"""Recent search refuses a since_id that is older than seven days."""
_LOOKUP = 100
_STATE_VERSION = 1
_FIELDS = urlencode(FIELDS)

_log = structlog.get_logger(__name__)


class XCrawler:
    """Posts of X by its API v2 (https://docs.x.com/x-api). Config: `XConfig`, `state`.

    One poll reads every feed as far as its page limit goes; what is left follows in the next one, so nothing is
    skipped. When a request fails in mid-run, what was read before counts, and the other feeds go on unless the token or
    the limit is at fault. Raises the first error when nothing at all could be read.
    """

    name = SOURCE
    config_model = XConfig

    def __init__(self, client: GuardedClient | None = None) -> None:
        self._client = client
        self.state: dict[str, Any] = {}
        self.deletions: list[Deletion] = []
        self.notes: dict[str, str] = {}

    def init(self, config: Mapping[str, Any]) -> None:
        """Raises NotConfigured naming the setting and the remedy."""
        self.config = read_config(config)
        self._label = str(config.get("name") or SOURCE)
        self._client = self._client or GuardedClient(allow=settings.GUARDED_ALLOW, url_limit=URL_LIMIT)
        self._api = Api(self._client, self.config.api_base, self.config.bearer_token)
        stored = config.get("state") or {}
        self.state = dict(stored) if stored.get("v") == _STATE_VERSION else {}

    def fetch(self) -> Iterable[CrawlerMessage]:
        """New and edited posts of all feeds, oldest first."""
        if self._client is None:
            raise NotConfigured("init was not called")
        self.deletions, self.notes = [], {}
        with self._client:
            return _Poll(self.config, self._api, self.state).run(self)

    def validate(self, msg: CrawlerMessage) -> bool:
        """Could X have said this?"""
        return msg.source == SOURCE and msg.id.isdigit() and not msg.channel and bool(msg.author)

    @classmethod
    def would_listen(cls, config: Mapping[str, Any]) -> bool:
        """Only where the filtered stream is asked for."""
        return bool(config.get("stream"))

    async def listen(self, emit: Emit) -> None:
        """Hand on what the filtered stream brings, until cancelled. Raises NotConfigured where `stream` is off and
        PermanentError when X refuses the token; every other end of the connection is followed by a new one."""
        if not self.config.stream:
            raise NotConfigured("stream: is off; polling goes on")
        accounts = Accounts(self.config, self.state.get("accounts"))

        def remember() -> None:
            self.state = {"v": _STATE_VERSION, "accounts": accounts.dump()}

        await stream.listen(self.config, self._api, label=self._label, accounts=accounts, emit=emit, learnt=remember)


class _Poll:
    """One run over all feeds."""

    def __init__(self, config: XConfig, asked: Api, stored: Mapping[str, Any]) -> None:
        self.config = config
        self._api = asked
        self._now = datetime.now(UTC)
        self._ends = time.monotonic() + POLL_SECONDS
        self._stored = stored
        self._accounts = Accounts(config, stored.get("accounts"))
        self._progress: dict[str, Progress] = {}
        self._notes: dict[str, str] = {}
        self._deletions: list[Deletion] = []
        self._errors: list[Exception] = []
        self._unread = 0
        self._read = 0

    def run(self, crawler: XCrawler) -> list[CrawlerMessage]:
        """Tells the crawler its new state, notes and deletions."""
        self._learn()
        feeds, groups = self._feeds()
        found, turn = self._poll_all(feeds)
        if not self._read:
            raise self._worst()
        crawler.state = {
            "v": _STATE_VERSION,
            "accounts": self._accounts.dump(),
            "groups": groups,
            "feeds": {key: dump(progress) for key, progress in self._progress.items()},
            "turn": turn,
        }
        crawler.notes = self._all_notes()
        crawler.deletions = self._deletions
        return sorted(found, key=lambda message: message.timestamp)

    def _learn(self) -> None:
        try:
            self._accounts.learn(self._api, self._now)
        except BadToken:
            raise
        except (PermanentError, TransientError) as error:
            # Accounts known by now are read all the same.
            self._errors.append(error)
            self._notes["accounts"] = str(error)

    def _feeds(self) -> tuple[list[Feed], dict[str, list[str]]]:
        known = {key: load(value) for key, value in dict(self._stored.get("feeds") or {}).items()}
        progress = {key: value for key, value in known.items() if value}
        before = dict(self._stored.get("groups") or {})
        groups: dict[str, list[str]] = {}
        if not self.config.by_timeline:
            length, suffix = self.config.query_length, self.config.suffix
            groups, gone = grouped(self._accounts.ids, before, length=length, suffix=suffix)
            for key, into in gone.items():
                if key in progress and into in progress:
                    progress[into] = merged(progress[into], progress[key])
        feeds = feeds_of(self.config, self._accounts.ids, groups)
        self._progress = {feed.key: progress.get(feed.key) or self._first(feed, progress, before) for feed in feeds}
        return feeds, groups

    def _first(self, feed: Feed, known: Mapping[str, Progress], groups: Mapping[str, Sequence[str]]) -> Progress:
        """Where a new feed begins: where its accounts were read to when they were asked for in another way."""
        keys = {*(f"u{one}" for one in feed.accounts), *(key for key in groups if {*groups[key]} & {*feed.accounts})}
        found = [known[key] for key in keys if key in known]
        lookback = timedelta(minutes=self.config.lookback_minutes)
        return functools.reduce(merged, found) if found else begin(self._now, lookback)

    def _poll_all(self, feeds: Sequence[Feed]) -> tuple[list[CrawlerMessage], str]:
        """Beginning where the last poll stopped, so that no feed waits for ever; the second is where this one did."""
        found: list[CrawlerMessage] = []
        keys = [feed.key for feed in feeds]
        first = keys.index(self._stored["turn"]) if self._stored.get("turn") in keys else 0
        for feed in [*feeds[first:], *feeds[:first]]:
            if time.monotonic() > self._ends:
                self._notes["polling"] = "there was no time for every feed; the others come first next time"
                return found, feed.key
            try:
                reading = self._poll(feed)
                found += messages(reading.posts, seen_at=datetime.now(UTC), author=self._name_of(feed))
                error: Exception | None = reading.error
            except (PermanentError, TransientError) as failure:
                error = failure
            if error:
                self._failed(feed, error)
            if isinstance(error, BadToken | Throttled):
                return found, feed.key
        return found, ""

    def _poll(self, feed: Feed) -> Reading:
        config = self.config
        reading = poll(
            self._progress[feed.key],
            lambda span, token: self._page(feed, span, token),
            pages=config.page_limit,
            page=config.max_results,
            overlap=timedelta(seconds=config.overlap_seconds),
            now=self._now,
            floor=0 if feed.user else id_at(self._now - _SEARCHED_BACK),
        )
        self._read += 1
        self._progress[feed.key] = reading.progress
        if not reading.error:
            self._look_for(feed, reading)
        if reading.lost:
            self._notes[feed.title] = "posts of more than seven days ago were not read and can't be searched any more"
        return reading

    def _page(self, feed: Feed, span: Span, token: str) -> Page:
        if time.monotonic() > self._ends:
            raise TransientError("there was no time for all pages; the others follow next time")
        params: dict[str, Any] = {"max_results": self.config.max_results, "since_id": span.low, "until_id": span.high}
        if feed.user:
            body = self._timeline(feed.user, {**params, "pagination_token": token})
        else:
            params |= {"query": feed.query, "next_token": token}
            body = self._api.get(api.SEARCH, "/2/tweets/search/recent", params, _FIELDS)
        page = read_page(body)
        self._unread += page.unread
        return page

    def _timeline(self, user: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        path = f"/2/users/{user}/tweets"
        body = self._api.get(api.TIMELINE, path, {**params, "exclude": self.config.excluded}, _FIELDS)
        refused = [error for error in api.problems(body) if error.get("resource_type") == "user"]
        if refused and not body.get("data"):
            self._accounts.blame(user, reason_of(refused[0]))
        else:
            self._accounts.seen(user)
        return body

    def _name_of(self, feed: Feed) -> str:
        return self._accounts.name_of(feed.user) if feed.user else ""

    def _look_for(self, feed: Feed, reading: Reading) -> None:
        """Posts that stood in the overlap and are not there any more: X is asked for each whether it is deleted."""
        wanted = list(reading.missing)[:_LOOKUP]
        if not wanted:
            return
        try:
            body = self._api.get(api.LOOKUP, "/2/tweets", {"ids": ",".join(map(str, wanted))})
        except (PermanentError, TransientError):
            self._progress[feed.key] = keep(reading.progress, reading.missing)
            return
        gone = {str(error.get("resource_id") or error.get("value")) for error in api.problems(body) if _is_gone(error)}
        stories = dict.fromkeys(reading.missing[post] for post in wanted if str(post) in gone)
        now = datetime.now(UTC)
        self._deletions += [Deletion(SOURCE, "", str(story), now) for story in stories]

    def _failed(self, feed: Feed, error: Exception) -> None:
        self._errors.append(error)
        if isinstance(error, BadToken | Throttled):
            self._notes["polling"] = str(error)
        elif feed.user:
            self._accounts.blame(feed.user, str(error))
        else:
            self._notes[feed.title] = str(error)

    def _worst(self) -> Exception:
        """Why nothing was read: rather the error that names a moment than another."""
        throttled = [error for error in self._errors if isinstance(error, Throttled)]
        reasons = "; ".join(f"{name}: {reason}" for name, reason in list(self._accounts.notes.items())[:5])
        return next(iter([*throttled, *self._errors]), PermanentError(f"no account can be read; {reasons}"))

    def _all_notes(self) -> dict[str, str]:
        unread = {"answers": f"{self._unread} entries were no posts"} if self._unread else {}
        return {**self._accounts.notes, **unread, **self._notes}


def _is_gone(error: Mapping[str, Any]) -> bool:
    return str(error.get("type") or "").endswith("resource-not-found") or error.get("title") == "Not Found Error"
