"""The page plugin: items of one web page as posts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
from django.conf import settings

from apps.sources import selectors
from apps.sources.adapters.guarded import GuardedClient, check_status
from apps.sources.adapters.pages.config import PageConfig
from apps.sources.adapters.versions import Versions
from apps.sources.domain.address import read_url
from apps.sources.domain.intake import is_link
from tradebot.contracts.errors import NotConfigured, UnsafeAddress
from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.ports import Deletion

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAME_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it was read: `status` 304 has no body."""

    status: int
    body: bytes
    content_type: str
    url: str
    etag: str = ""
    last_modified: str = ""


class PageCrawler:
    """Polls one page. Config: `url`, `name` (the channel of its posts), `state`, and the fields of PageConfig.

    An item whose words or pictures changed is a new revision with the moment of the first. One without a time counts as
    old as the poll before, or as the epoch on the first poll: what can't be dated must not look fresh.
    """

    name = "web"
    config_model = PageConfig

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self.deletions: list[Deletion] = []
        self.notes: dict[str, str] = {}

    @staticmethod
    def queue(config: Mapping[str, Any]) -> str:
        """Where a crawl of this source runs: pages that need a browser have workers of their own."""
        return "browser" if config.get("render") else "crawl"

    def init(self, config: Mapping[str, Any]) -> None:
        """Raises NotConfigured without a usable url, or with a setting that is wrong."""
        # Late: Scrapy and parsel take 40 MB, and only workers that read pages need them.
        from apps.sources.adapters.pages.reading import Reader

        self._config = _settings(config)
        self._reader = Reader(self._config)
        self._url = str(config.get("url") or "")
        self._channel = str(config.get("name") or self._url)[:_NAME_LIMIT]
        try:
            address = read_url(self._url, settings.GUARDED_ALLOW)
        except UnsafeAddress as error:
            raise NotConfigured(f"url: {error}") from None
        self._host = address.host
        # A page's own script must reach no other endpoint that the operator vouches for.
        self._allow = frozenset({address.endpoint} & set(settings.GUARDED_ALLOW))
        state = config.get("state") or {}
        self.state = dict(state) if state.get("url") == self._url else {}

    def fetch(self) -> Iterable[CrawlerMessage]:
        """Items of the page, oldest first; none where it is what it was before. Raises UnsafeAddress, PermanentError
        (no page, nothing on it matches) or TransientError (no answer, not ready in time)."""
        polled_at = datetime.now(UTC)
        page = self._rendered() if self._config.render else self._plain()
        digest = hashlib.sha256(page.body).hexdigest()
        known = Versions(self.state.get("items") or {})
        same = page.status == 304 or digest == self.state.get("body")
        messages = [] if same else self._read(page, known, polled_at)
        self.state = {
            "url": self._url,
            "etag": page.etag or (self.state.get("etag") if same else None),
            "last_modified": page.last_modified or (self.state.get("last_modified") if same else None),
            "body": self.state.get("body") if page.status == 304 else digest,
            "items": known.remembered(),
            "polled_at": polled_at.isoformat(),
        }
        return messages

    def validate(self, msg: CrawlerMessage) -> bool:
        """Could this page have shown `msg`?"""
        return msg.source == self.name and msg.channel == self._channel and bool(msg.data or msg.media_urls)

    def _plain(self) -> Page:
        from apps.sources.adapters.pages.spider import read_page

        conditions = {"If-None-Match": self.state.get("etag"), "If-Modified-Since": self.state.get("last_modified")}
        client = GuardedClient(
            allow=self._allow, byte_limit=self._config.max_bytes, time_limit=float(self._config.time_limit)
        )
        page = read_page(client, self._url, {name: str(value) for name, value in conditions.items() if value})
        check_status(page.status)
        return page

    def _rendered(self) -> Page:
        from apps.sources.adapters.pages.browser import Visit, browser

        visit = Visit(
            url=self._url,
            wait_for=self._config.wait_for,
            time_limit=float(self._config.time_limit),
            byte_limit=self._config.max_bytes,
            hosts=frozenset({*self._config.hosts, self._host} if self._config.hosts else ()),
            allow=self._allow,
        )
        seen = browser().render(visit)
        if seen.refused:
            tried = ", ".join(seen.refused[:5])
            self.notes["refused"] = f"the page tried {len(seen.refused)} addresses that are not open to it: {tried}"
        return Page(200, seen.html.encode(), "text/html; charset=utf-8", seen.url)

    def _read(self, page: Page, known: Versions, now: datetime) -> list[CrawlerMessage]:
        items = self._reader.items(page.body, page.content_type, page.url)
        messages = [message for item in items if (message := self._message(item, known))]
        late = sum(message.timestamp > now for message in messages)
        if late:
            self.notes["future"] = f"{late} of {len(messages)} items are dated in the future and never trade"
        return sorted(messages, key=lambda message: message.timestamp)

    def _message(self, item: Any, known: Versions) -> CrawlerMessage | None:
        text = "\n\n".join(part for part in (item.title, item.text) if part)
        images = [url for url in item.images if _is_usable(url)]
        if not text and not images:
            return None
        native_id = _identity(item.native_id or item.link or text)
        moment = item.moment or self._undated()
        revision, first_moment = known.sighting(native_id, [text, *images], moment, None)
        return CrawlerMessage(
            id=native_id,
            root_id=str(uuid4()),
            seen_at=datetime.now(UTC),
            source=self.name,
            type="image" if images else "text",
            data=text,
            media_urls=images,
            timestamp=first_moment,
            author=item.author or self._channel,
            channel=self._channel,
            url=item.link if is_link(item.link) else "",
            revision=revision,
        )

    def _undated(self) -> datetime:
        polled = self.state.get("polled_at")
        return datetime.fromisoformat(polled) if polled else _EPOCH


def _settings(config: Mapping[str, Any]) -> PageConfig:
    given = {name: value for name, value in config.items() if name not in {"url", "name", "state"}}
    try:
        return msgspec.convert(given, PageConfig)
    except msgspec.ValidationError as error:
        raise NotConfigured(str(error)) from None


def _identity(given: str) -> str:
    if len(given) <= _NAME_LIMIT and given.isprintable():
        return given
    return "sha256:" + hashlib.sha256(given.encode("utf-8", "replace")).hexdigest()


def _is_usable(url: str) -> bool:
    try:
        read_url(url, selectors.allowed_media())
    except UnsafeAddress:
        return False
    return True
